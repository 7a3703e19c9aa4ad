"""The decision ledger after real claims: each dial has its decision, which can be made again from its row."""

from datetime import datetime, timedelta

from campaign.domain import phone as phones
from campaign.domain.decision import Verdict
from campaign.domain.facts import facts_from_json
from campaign.domain.rules import decide
from campaign.flow.explain import explain, to_json
from campaign.flow.story_words import tell
from campaign.flow.versions import PACKAGES
from campaign.store import decisions, dnc
from campaign.store.database import Database
from campaign.store.decisions import KeptDecision
from tests.flow.test_facts import RATES
from tests.flow.test_shares import claims_for, process
from tests.support.campaigns import phone, rows, rulebook
from tests.support.clock import ManualClock
from tests.support.dialing import running_campaign


async def ledger(db: Database) -> list[KeptDecision]:
    """Everything that was kept, in its order."""
    found = await rows(db, "SELECT DISTINCT campaign_contact_id AS id FROM decisions")
    async with db.connection() as tx:
        kept = await decisions.of_contacts(tx, [row["id"] for row in found])
    return sorted((one for each in kept.values() for one in each), key=lambda one: one.id)


async def end_calls(db: Database, now: datetime, next_at: datetime) -> None:
    """Every call rang and nobody answered; all are due again at an instant."""
    await rows(
        db, "UPDATE attempts SET state = 'ended', settled_at = :now, call_status = 'no-answer'", now=now
    )
    await rows(
        db,
        "UPDATE campaign_contacts SET state = 'waiting', next_at = :at, due_for = 'retry', priority = -1 "
        "WHERE state = 'calling'",
        at=next_at,
    )


async def dialled_twice(db: Database, clock: ManualClock, contacts: int = 3) -> None:
    """A campaign whose contacts were each dialled at ten and, decided alike, at two."""
    await running_campaign(
        db, clock, contacts, retry={"budget": 3, "min_gap_minutes": 60, "per_number_per_day": 3}
    )
    one = process(db, clock)
    await claims_for(one, clock, 2)
    await end_calls(db, clock.now(), clock.now() + timedelta(hours=4))
    await clock.advance(4 * 3600 + 1)
    await claims_for(process(db, clock, "two"), clock, 2)


async def test_every_dial_keeps_its_own_decision_with_the_facts_of_its_instant(
    db: Database, clock: ManualClock
) -> None:
    await dialled_twice(db, clock)
    dials = await rows(
        db,
        "SELECT a.number, d.verdict, d.facts -> 'attempts_made' AS made, d.fingerprint "
        "FROM attempts a LEFT JOIN decisions d ON d.campaign_contact_id = a.campaign_contact_id "
        "AND d.decided_at = a.intent_at ORDER BY a.id",
    )
    assert len(dials) == 6
    assert all(row["verdict"] == "allow" for row in dials), "one for each, by the instant of its intent"
    assert sorted((row["number"], row["made"]) for row in dials) == [(1, 0)] * 3 + [(2, 1)] * 3
    assert len({row["fingerprint"] for row in dials}) == 1, "decided alike, and kept all the same"


async def test_what_was_decided_is_made_again_from_its_row_exactly(db: Database, clock: ManualClock) -> None:
    await running_campaign(db, clock, 6)
    async with db.transaction() as tx:
        await dnc.add(
            tx, list_name=None, phone=phone(0), reason="asked", source="cli", quote=None, actor="test",
            now=clock.now(),
        )  # fmt: skip
    await rows(db, "UPDATE contacts SET consent = 'none' WHERE phone = :phone", phone=phone(1))
    hawaii = "US|US-HI|Pacific/Honolulu"
    await rows(db, "UPDATE contacts SET place = :place WHERE phone = :phone", place=hawaii, phone=phone(2))
    await rows(db, "UPDATE campaign_contacts SET state = 'waiting', next_at = :now", now=clock.now())
    await claims_for(process(db, clock), clock, 2)
    kept = await ledger(db)
    verdicts = {one.phone: one.decision.verdict for one in kept}
    assert verdicts == {
        phone(0): Verdict.BLOCK,
        phone(1): Verdict.BLOCK,
        phone(2): Verdict.DEFER,
        **{phone(n): Verdict.ALLOW for n in (3, 4, 5)},
    }
    for one in kept:
        again = decide(facts_from_json(one.facts), rulebook(), one.decision.at)
        assert again == one.decision, one.phone
        assert dict(one.decision.packs)["US"]
        assert len(one.decision.reasons) >= 20, "every rule's verdict, not only those that say no"


async def test_a_deferral_that_says_the_same_as_before_is_kept_once(db: Database, clock: ManualClock) -> None:
    await running_campaign(db, clock, 1)
    await rows(db, "UPDATE contacts SET place = 'US|US-HI|Pacific/Honolulu'")
    for _ in range(3):
        await rows(db, "UPDATE campaign_contacts SET next_at = :now", now=clock.now())
        await claims_for(process(db, clock), clock, 1)
        await clock.advance(10)
    assert [one.decision.verdict for one in await ledger(db)] == [Verdict.DEFER]


async def test_a_decision_names_the_data_that_rules_were_read_by(db: Database, clock: ManualClock) -> None:
    await running_campaign(db, clock, 1)
    await claims_for(process(db, clock), clock, 1)
    (one,) = await ledger(db)
    assert one.made_with is not None
    assert [part.split()[0] for part in one.made_with.split(", ")] == list(PACKAGES)
    assert all(part.split()[1][0].isdigit() for part in one.made_with.split(", "))


async def test_the_story_leads_from_each_attempt_to_its_decision(db: Database, clock: ManualClock) -> None:
    await dialled_twice(db, clock, 1)
    number = phones.parse(phone(0), None)
    assert isinstance(number, phones.PhoneNumber)
    story = await explain(db, number, clock.now(), rulebook=rulebook(), rates=RATES)
    told = to_json(story)
    kept = {one["id"]: one for one in told["campaigns"][0]["decisions"]}
    assert [kept[attempt["decision_id"]]["at"] for attempt in told["attempts"]] == [
        attempt["intent_at"].isoformat() for attempt in told["attempts"]
    ]
    assert len(told["attempts"]) == 2
    said = "\n".join(sentence for _, sentences in tell(story) for sentence in sentences)
    assert "2026-11-24 15:00 UTC, +12125550000: dialled. May be called now until" in said
    assert "(packs: US-NY " in said
