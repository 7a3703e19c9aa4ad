"""The story of a number: what is stored about it, judged afresh and told in sentences."""

import json
from datetime import timedelta

from campaign.domain import phone as phones
from campaign.domain.decision import Verdict
from campaign.domain.facts import facts_from_json
from campaign.domain.phone import PhoneNumber
from campaign.domain.rules import decide
from campaign.flow import facts, lifecycle
from campaign.flow.explain import Story, explain, to_json
from campaign.flow.story_words import tell
from campaign.store import claims, decisions, dnc
from campaign.store.database import Database
from tests.flow.test_facts import NOW, RATES, campaign, defined
from tests.support.campaigns import make_attempt, make_list, phone, rows, rulebook


def number(text: str) -> PhoneNumber:
    parsed = phones.parse(text, None)
    assert isinstance(parsed, PhoneNumber)
    return parsed


async def story(db: Database, of: str, only: str | None = None) -> Story:
    return await explain(db, number(of), NOW, rulebook=rulebook(), rates=RATES, campaign=only)


def words(told: Story) -> str:
    json.dumps(to_json(told), default=str)
    return "\n".join(f"{heading}: {sentence}" for heading, said in tell(told) for sentence in said)


async def consent(db: Database) -> None:
    await rows(
        db,
        "UPDATE contacts SET consent = 'express_written', consent_at = :at, consent_source = 'web form'",
        at=NOW - timedelta(days=40),
    )


async def judge_and_keep(db: Database, campaign_id: int) -> None:
    """As the dialler does it: judge what is due, keep what changed."""
    async with db.transaction() as tx:
        due = await claims.due(tx, {campaign_id: 10}, NOW)
        standing = await facts.situation(tx, await defined(tx, [campaign_id]), NOW, rates=RATES)
        known = await facts.gather(tx, due, standing, NOW)
        judged = [(row, decide(one, rulebook(), NOW)) for row, one in zip(due, known, strict=True)]
        await decisions.keep(tx, judged, NOW, made_with="tzdata 1")


async def test_a_number_that_nobody_knows_is_told_so(db: Database) -> None:
    told = await story(db, "+18509091234")
    assert not told.known
    said = words(told)
    assert "the person may be in US-FL" in said
    assert "09:00 in America/Chicago, 10:00 in America/New_York" in said
    assert "Nothing is stored about it" in said
    assert "It was never called." in said


async def test_a_waiting_contact_is_judged_afresh_and_the_reason_is_named(db: Database) -> None:
    await campaign(db, 1)
    told = await story(db, phone(0))
    (part,) = told.campaigns
    assert part.now is not None
    assert part.now.verdict is Verdict.BLOCK
    said = words(told)
    assert (
        "Campaign Minimal: It waits for its first call, due 2026-11-24 15:00 UTC; 0 of 3 attempts are used."
        in said
    )
    assert "Must not be called. This call needs express consent; none is recorded." in said
    await consent(db)
    await lifecycle.start(db, "Minimal", actor="test", now=NOW)
    said = words(await story(db, phone(0)))
    assert "Judged now: May be called now until 2026-11-24 22:00 UTC" in said
    assert "express written consent of 2026-10-15 (web form)" in said


async def test_the_decisions_that_were_kept_are_told_and_can_be_made_again(db: Database) -> None:
    one = await campaign(db, 2)
    await judge_and_keep(db, one)
    await consent(db)
    await judge_and_keep(db, one)
    (part,) = (await story(db, phone(0))).campaigns
    assert [kept.decision.verdict for kept in part.kept] == [Verdict.BLOCK, Verdict.DEFER]
    for kept in part.kept:
        again = decide(facts_from_json(kept.facts), rulebook(), kept.decision.at)
        assert again == kept.decision
        assert again.fingerprint == kept.decision.fingerprint
        assert kept.phone == phone(0)


async def test_an_opt_out_is_told_with_its_words_and_time(db: Database) -> None:
    await campaign(db, 1)
    await consent(db)
    async with db.transaction() as tx:
        await dnc.add(
            tx, list_name=None, phone=phone(0), reason="asked on a call", source="conversation",
            quote="take me off your list", actor="agent", now=NOW,
        )  # fmt: skip
    said = words(await story(db, phone(0)))
    assert (
        "On own since 2026-11-24 15:00 UTC (asked on a call; said in a conversation, agent, in their words: "
        '"take me off your list"): no campaign calls it.'
    ) in said
    assert "Must not be called. On the do-not-call list own" in said


async def test_attempts_are_told_with_their_events_sessions_recoveries_and_outcomes(db: Database) -> None:
    one = await campaign(db, 1)
    attempt = await make_attempt(
        db, one, phone(0), state="ended", disposition="interested", category="success", seconds=61
    )
    event = (
        "INSERT INTO call_events (dedupe, kind, marker, attempt_id, payload, received_at, handled_at) "
        "VALUES (:key, 'status', 'm', :id, CAST(:payload AS jsonb), :at, :handled)"
    )
    await rows(db, event, key="1", id=attempt, payload='{"CallStatus": "ringing"}', at=NOW, handled=NOW)
    await rows(db, event, key="2", id=attempt, payload='{"CallStatus": "completed"}', at=NOW, handled=None)
    await rows(
        db,
        "INSERT INTO conversation_sessions (attempt_id, ordinal, token_digest, created_at, opened_at, "
        "closed_at, closed_why) VALUES (:id, 1, 'x', :now, :now, :now, 'socket lost')",
        id=attempt,
        now=NOW + timedelta(seconds=2),
    )
    await rows(
        db,
        "INSERT INTO recoveries (attempt_id, session_ordinal, why, answer, became, at) "
        "VALUES (:id, 1, 'the socket was lost', 'resume', 'resumed', :now)",
        id=attempt,
        now=NOW + timedelta(seconds=3),
    )
    said = words(await story(db, phone(0)))
    assert "Attempt 1 of Minimal (first) to +12125550000 from +12025550142" in said
    assert "Outcome: interested (success), 61 s; final." in said
    assert "15:00 Twilio, status: ringing" in said
    assert "15:00 Twilio, status: completed (not handled yet)" in said
    assert "15:00:02 conversation session 1: 0 turns, closed: socket lost" in said
    assert "15:00:03 recovery (the socket was lost): answered resume, which resumed" in said
    assert "It is done since 2026-11-24 15:00 UTC: interested; 1 of 3 attempts are used." in said


async def test_an_attempt_of_unknown_result_says_that_the_number_is_held(db: Database) -> None:
    one = await campaign(db, 1)
    attempt = await make_attempt(db, one, phone(0), state="unknown")
    await rows(
        db, "UPDATE attempts SET hold_until = :at WHERE id = :id", at=NOW + timedelta(hours=1), id=attempt
    )
    said = words(await story(db, phone(0)))
    assert "Whether Twilio placed it is not known; the number is held until 2026-11-24 16:00 UTC" in said
    assert "It is being called now" in said


async def test_only_the_campaign_that_was_asked_for_is_told(db: Database) -> None:
    one = await campaign(db, 1)
    await campaign(db, 1, name="Other")
    await make_attempt(db, one, phone(0), state="ended", disposition="busy", retry_at=NOW)
    told = await story(db, phone(0), "Other")
    assert [part.enrolment.campaign for part in told.campaigns] == ["Other"]
    assert told.attempts == []
    told = await story(db, phone(0))
    assert [part.enrolment.campaign for part in told.campaigns] == ["Minimal", "Other"]
    assert len(told.attempts) == 1


async def test_a_second_number_leads_to_its_contact_and_campaigns(db: Database) -> None:
    await campaign(db, 1)
    await rows(db, "UPDATE contacts SET other_phones = ARRAY['+13105550142']")
    told = await story(db, "+13105550142")
    assert [contact.phone for contact in told.contacts] == [phone(0)]
    assert [part.enrolment.campaign for part in told.campaigns] == ["Minimal"]
    assert "numbers in order: +12125550000, +13105550142" in words(told)


async def test_a_contact_of_an_unfinished_import_is_told_as_invisible(db: Database) -> None:
    await make_list(db, "halfway", 1, imported="running")
    assert "Its import is not finished, so no campaign sees it yet." in words(await story(db, phone(0)))


async def test_a_blocked_contact_tells_what_blocks_it(db: Database) -> None:
    await campaign(db, 1)
    await rows(
        db,
        "UPDATE campaign_contacts SET state = 'blocked', next_at = NULL, waiting_for = 'dnc.own', "
        "updated_at = :now",
        now=NOW,
    )
    assert "It is blocked by dnc.own since 2026-11-24 15:00 UTC" in words(await story(db, phone(0)))
