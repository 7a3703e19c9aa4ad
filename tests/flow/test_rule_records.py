"""Waivers, registrations and pauses: who records what, and that the very next claim obeys it."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from campaign.domain.decision import Decision, Verdict, in_words
from campaign.domain.errors import BadInput, Conflict, NotFound
from campaign.domain.facts import facts_from_json, facts_to_json
from campaign.domain.rules import decide
from campaign.flow import rule_records as flow
from campaign.store import rule_records as records
from campaign.store.database import Database
from tests.flow.test_facts import campaign, gathered
from tests.support.campaigns import make_attempt, phone, rows, rulebook
from tests.support.clock import TUESDAY_MORNING

NOW = TUESDAY_MORNING
AUSTIN = "US|US-TX|America/Chicago"
ANNA = "cli:anna"


async def judged(db: Database, one: int, now: datetime = NOW) -> Decision:
    """The decision on the campaign's first due contact, running and signed for."""
    await rows(db, "UPDATE campaigns SET state = 'running'")
    await rows(db, "UPDATE contacts SET consent = 'express_written', consent_at = :at", at=NOW - timedelta(9))
    ((_, known), *_) = await gathered(db, one, now=now)
    return decide(known, rulebook(), now)


def against(decision: Decision) -> dict[str, str]:
    return {reason.rule_id: reason.verdict.value for reason in decision.against}


async def texan(db: Database, contacts: int = 1, **changes: Any) -> int:
    one = await campaign(db, contacts, purpose="sales", **changes)
    await rows(db, "UPDATE contacts SET place = :place", place=AUSTIN)
    return one


async def waived(db: Database, rule: str, reason: str = "exempt, memo 12", **more: Any) -> None:
    given = {"until": None, "actor": ANNA, "now": NOW, **more}
    await flow.waive(db, rulebook(), rule, "Minimal", reason=reason, **given)


async def test_a_waived_rule_allows_and_every_decision_says_by_whom_and_why(db: Database) -> None:
    one = await texan(db)
    assert against(await judged(db, one)) == {"US-TX.registration": "block"}
    await waived(db, "US-TX.registration")
    decision = await judged(db, one)
    assert decision.allowed
    assert "Waived by cli:anna on " in in_words(decision)
    assert "because exempt, memo 12." in in_words(decision)
    assert "Needed first: registration" in in_words(decision)
    assert decision.facts is not None
    again = decide(facts_from_json(facts_to_json(decision.facts)), rulebook(), NOW)
    assert again == decision
    assert Decision.from_json(decision.to_json()) == decision
    await flow.unwaive(db, "US-TX.registration", "Minimal", actor=ANNA, now=NOW)
    assert not (await judged(db, one)).allowed
    log = await rows(db, "SELECT actor, why FROM campaign_log ORDER BY id DESC LIMIT 2")
    assert [(line["actor"], line["why"]) for line in log] == [
        (ANNA, "US-TX.registration no longer waived"),
        (ANNA, "US-TX.registration waived: exempt, memo 12"),
    ]
    trail = await rows(db, "SELECT action, actor FROM audit_log ORDER BY id DESC LIMIT 2")
    assert [(line["action"], line["actor"]) for line in trail] == [
        ("rules.unwaive", ANNA),
        ("rules.waive", ANNA),
    ]


async def test_a_waiver_ends_with_its_last_day_and_a_decision_made_with_it_differs(db: Database) -> None:
    one = await texan(db)
    last = NOW.astimezone(UTC).date() + timedelta(days=1)
    plain = await judged(db, one)
    await waived(db, "US-TX.registration", until=last)
    midnight = datetime.combine(last + timedelta(days=1), datetime.min.time(), UTC)
    under = await judged(db, one, midnight - timedelta(seconds=61))
    assert "US-TX.registration" not in against(under)
    assert under.fingerprint != plain.fingerprint
    assert "US-TX.registration" in against(await judged(db, one, midnight - timedelta(seconds=60)))
    assert "US-TX.registration" in against(await judged(db, one, midnight))


async def test_a_waiver_is_one_campaigns_only(db: Database) -> None:
    await texan(db)
    other = await campaign(db, 1, name="Other", purpose="sales")
    await rows(db, "UPDATE contacts SET place = :place", place=AUSTIN)
    await waived(db, "US-TX.registration")
    assert against(await judged(db, other)) == {"US-TX.registration": "block"}


async def test_what_protects_people_is_never_waived(db: Database) -> None:
    await texan(db)
    for rule, why in (
        ("US.hours", "a forbidden hour can't be undone"),
        ("US.consent.artificial-voice", "without consent"),
        ("US.dnc.internal", "who asked not to be called"),
        ("US.identification", "a call must say it"),
        ("dnc.own", "Our own rules"),
        ("number.busy", "Our own rules"),
        ("place.known", "Our own rules"),
        ("US.no-such-rule", "No pack has a rule"),
    ):
        with pytest.raises(BadInput, match=why):
            await waived(db, rule)
    async with db.connection() as tx:
        assert await records.waivers(tx) == []


async def test_a_waiver_needs_a_reason_a_day_ahead_and_a_campaign_that_lives(db: Database) -> None:
    await texan(db)
    with pytest.raises(BadInput, match="reason"):
        await waived(db, "US-TX.registration", "  ")
    with pytest.raises(BadInput, match="has passed"):
        await waived(db, "US-TX.registration", until=NOW.date() - timedelta(days=1))
    with pytest.raises(NotFound):
        await flow.unwaive(db, "US-TX.registration", "Minimal", actor=ANNA, now=NOW)
    await rows(db, "UPDATE campaigns SET state = 'completed', ended_at = :now", now=NOW)
    with pytest.raises(Conflict, match="completed"):
        await waived(db, "US-TX.registration")


async def test_who_was_blocked_by_a_waived_rule_is_judged_again(db: Database) -> None:
    one = await texan(db)
    await rows(
        db,
        "UPDATE campaign_contacts SET state = 'blocked', next_at = NULL, waiting_for = 'US-TX.registration'",
    )
    await waived(db, "US-TX.registration")
    (row,) = await rows(db, "SELECT state, next_at FROM campaign_contacts WHERE campaign_id = :id", id=one)
    assert (row["state"], row["next_at"]) == ("waiting", NOW)


async def test_a_waived_holiday_is_dialled_and_waiting_first_calls_are_planned_anew(db: Database) -> None:
    thanksgiving = datetime(2026, 11, 26, 17, tzinfo=UTC)
    one = await campaign(db, 1, purpose="sales")
    await rows(db, "UPDATE contacts SET place = 'US|US-PA|America/New_York'")
    assert "US-PA.holidays" in against(await judged(db, one, thanksgiving))
    await rows(db, "UPDATE campaign_contacts SET next_at = :at", at=thanksgiving + timedelta(days=2))
    await flow.waive(
        db, rulebook(), "US-PA.holidays", "Minimal", reason="not a state holiday", until=None, actor=ANNA,
        now=thanksgiving,
    )  # fmt: skip
    (row,) = await rows(db, "SELECT next_at FROM campaign_contacts")
    assert row["next_at"] == thanksgiving
    decision = await judged(db, one, thanksgiving)
    assert decision.allowed
    assert "is closed in America/New_York (Thanksgiving Day)" in in_words(decision)


# ── registrations ──────────────────────────────────────────────────────────────────────────────────────


async def test_a_recorded_registration_counts_for_all_campaigns_until_it_is_taken_back(db: Database) -> None:
    one = await texan(db)
    await flow.register(db, rulebook(), "US-TX", reference="SOS 2026-0412", actor=ANNA, now=NOW)
    decision = await judged(db, one)
    assert decision.allowed
    said = {reason.rule_id: reason.why for reason in decision.reasons}["US-TX.registration"]
    assert "recorded as done (SOS 2026-0412; cli:anna" in said
    await flow.unregister(db, "US-TX", actor=ANNA, now=NOW)
    assert against(await judged(db, one)) == {"US-TX.registration": "block"}
    with pytest.raises(BadInput, match="No pack US-FL asks for a registration"):
        await flow.register(db, rulebook(), "US-FL", reference="x", actor=ANNA, now=NOW)
    with pytest.raises(NotFound):
        await flow.unregister(db, "US-TX", actor=ANNA, now=NOW)


# ── pauses ─────────────────────────────────────────────────────────────────────────────────────────────


async def paused(db: Database, region: str, now: datetime = NOW, **more: Any) -> int:
    given = {"first": None, "last": None, "reason": "declared emergency", "actor": ANNA, **more}
    _, cancelled = await flow.pause(db, rulebook(), region, now=now, **given)
    return cancelled


async def test_nobody_is_called_in_a_paused_region_until_it_is_lifted(db: Database) -> None:
    one = await campaign(db, 1, purpose="informational")
    assert (await judged(db, one)).allowed
    await paused(db, "us-ny")
    decision = await judged(db, one)
    assert against(decision) == {"campaign.pause": "block"}
    assert "calls to US-NY are paused: declared emergency" in in_words(decision)
    await rows(
        db, "UPDATE campaign_contacts SET state = 'blocked', next_at = NULL, waiting_for = 'campaign.pause'"
    )
    assert await flow.unpause(db, rulebook(), "US-NY", actor=ANNA, now=NOW) == 1
    assert (await judged(db, one)).allowed


async def test_a_pause_of_one_state_reaches_who_may_be_there_and_nobody_else(db: Database) -> None:
    one = await campaign(db, 1, purpose="informational")
    await paused(db, "US-LA")
    assert (await judged(db, one)).allowed
    await rows(
        db, "UPDATE contacts SET place = 'US||America/New_York'"
    )  # the US, and nobody knows which state
    assert "campaign.pause" in against(await judged(db, one))
    await rows(db, "UPDATE contacts SET place = 'US|US-LA,US-NY|America/Chicago,America/New_York'")
    assert "campaign.pause" in against(await judged(db, one))


async def test_a_pause_with_dates_defers_to_the_day_after_on_their_calendar(db: Database) -> None:
    one = await campaign(db, 1, purpose="informational")
    today = NOW.date()
    await paused(db, "US-NY", first=today, last=today + timedelta(days=2))
    decision = await judged(db, one)
    assert decision.verdict is Verdict.DEFER
    assert decision.until is not None
    assert decision.until.date() == today + timedelta(days=3)
    later = NOW + timedelta(days=3)
    assert (await judged(db, one, later)).allowed


async def test_calls_that_ring_in_a_paused_region_are_cancelled_and_answered_ones_go_on(db: Database) -> None:
    one = await campaign(db, 4, purpose="informational")
    for n, (state, place) in enumerate(
        [("ringing", "US|US-LA|America/Chicago"), ("answered", "US|US-LA|America/Chicago"),
         ("placed", "US|US-NY|America/New_York"), ("placing", "US||America/Chicago")]
    ):  # fmt: skip
        await rows(db, "UPDATE contacts SET place = :place WHERE phone = :phone", place=place, phone=phone(n))
        await make_attempt(db, one, phone(n), state=state)
    assert await paused(db, "US-LA", first=NOW.date() + timedelta(days=1)) == 0
    assert await paused(db, "US-LA") == 2
    found = await rows(
        db, "SELECT phone, cancel_why FROM attempts WHERE cancel_at IS NOT NULL ORDER BY phone"
    )
    assert [(row["phone"], row["cancel_why"]) for row in found] == [
        (phone(0), "calls to US-LA are paused: declared emergency"),
        (phone(3), "calls to US-LA are paused: declared emergency"),
    ]


async def test_the_first_pause_locks_out_code_that_knows_none(db: Database) -> None:
    async def works_from() -> str:
        return str((await rows(db, "SELECT works_from FROM installation"))[0]["works_from"])

    before = await works_from()
    await texan(db)
    await waived(db, "US-TX.registration")
    assert await works_from() == before < records.PAUSES_SINCE
    await paused(db, "US-LA")
    assert await works_from() == records.PAUSES_SINCE


async def test_a_region_that_does_not_exist_is_refused(db: Database) -> None:
    for region in ("US-XX", "ZZ", "BR", "Louisiana", "", "US-", "PR", "CA-TX"):
        with pytest.raises(BadInput, match="no country that has a rule pack"):
            await paused(db, region)


async def test_countries_states_and_territories_can_be_paused(db: Database) -> None:
    for region in ("US", "us-pr", "CA-ON", "DE", "DE-BY"):
        await paused(db, region)
        async with db.connection() as tx:
            (kept,) = await records.pauses(tx)
        assert kept.pause.region == region.upper()
        await flow.unpause(db, rulebook(), region, actor=ANNA, now=NOW)
        with pytest.raises(NotFound):
            await flow.unpause(db, rulebook(), region, actor=ANNA, now=NOW)


async def test_a_pause_that_ends_before_it_begins_is_refused(db: Database) -> None:
    with pytest.raises(BadInput, match="before it begins"):
        await paused(db, "US-LA", first=NOW.date(), last=NOW.date() - timedelta(days=1))
    with pytest.raises(BadInput, match="in the past"):
        await paused(db, "US-LA", first=date(2020, 1, 1), last=date(2020, 2, 1))
