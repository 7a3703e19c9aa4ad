"""Twilio's words in every order, each told twice, or lost: one row, one outcome, one sum of money.

The words of a call that was answered are the four call events, detection's verdict, the fetch of the TwiML
and the answer to our own POST. When all have been heard, nothing of the row depends on their order, except
when we learned it (`LEARNED`). When some are lost and Twilio is asked instead, the outcome is the same; what
REST doesn't tell is missing from the row (`UNTOLD`).
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import permutations
from typing import Any

from sqlalchemy import text

from campaign.domain.attempt import AttemptEvent, AttemptState
from campaign.flow import call_events, voice
from campaign.flow.answers import token_mint
from campaign.flow.call_events import Hands, told_by
from campaign.flow.outcomes import Terms
from campaign.flow.reconcile import Reconciler
from campaign.settings import Settings
from campaign.store import attempts, placing
from campaign.store.attempts import Attempt, Told
from campaign.store.database import Database
from campaign.wiring import read_rates
from tests.support import rows
from tests.support.clock import TUESDAY_MORNING, ManualClock
from tests.support.twilio import FakeTwilio, rfc2822, sid

EVENTS = ("initiated", "ringing", "in-progress", "completed")
MINT = token_mint(b"test")
HANDS = Hands(terms=Terms(read_rates(Settings())))
RESERVED = Decimal("0.50")

LEARNED = {"settled_at", "check_at"}
"""When we learned the end, and when the price is asked for, counted from there."""
UNTOLD = {
    # which steps there were, and when: REST tells of the creation and the end
    *("placed_at", "ringing_at", "answered_at", "sent_at"),
    *("sip_code", "machine_detection_ms", "queue_ms"),
    # the lost answer to our POST, as long as nobody had spoken of the call
    *("error", "error_code", "hold_until", "lease_until"),
}
NAMES = {"id", "marker", "phone", "call_sid", "campaign_contact_id", "contact_id", "attempt_id"}


def forms(now: datetime, call_sid: str = rows.SID) -> dict[str, dict[str, str]]:
    """The words as Twilio sends them; answered after 10 seconds, for 36."""
    at = {"initiated": 1, "ringing": 2, "in-progress": 10, "completed": 46}
    told = {
        event: rows.form(event, number, now + timedelta(seconds=at[event]), sid=call_sid)
        for number, event in enumerate(EVENTS)
    }
    told["completed"] |= {"CallDuration": "36", "SipResponseCode": "200"}
    told["amd"] = {"CallSid": call_sid, "AnsweredBy": "human", "MachineDetectionDuration": "3200"}
    return told


# ── the join by itself ─────────────────────────────────────────────────────────────────────────────────


def joined(words: Sequence[str], now: datetime, seconds_between: float = 0) -> Attempt:
    blank: dict[str, Any] = dict.fromkeys(attempts.COLUMNS)
    row = Attempt(
        **{**blank, "id": 1, "state": AttemptState.PLACING, "intent_at": now, "slot_at": now, "checks": 0}
    )
    heard = forms(now)
    for number, word in enumerate(words):
        at = now + timedelta(seconds=60 + number * seconds_between)
        if word == "twiml":
            answered = now + timedelta(seconds=10)
            told = Told(
                at=answered, event=AttemptEvent.ANSWERED, call_sid=rows.SID, call_status="in-progress"
            )
        else:
            told = told_by("amd" if word == "amd" else "status", heard[word], at)
        row = replace(row, **attempts.merged(row, told, at))
    return row


def test_all_2520_orders_of_the_four_events_each_told_twice_end_in_the_same_row() -> None:
    now = TUESDAY_MORNING
    expected = joined(EVENTS, now)
    assert (expected.state, expected.call_status, expected.duration_s) == (
        AttemptState.ENDED,
        "completed",
        36,
    )
    told = set(permutations((*EVENTS, *EVENTS)))
    assert len(told) == 2520
    for order in told:
        assert joined(order, now) == expected, order


def test_the_verdict_and_the_fetch_among_them_change_nothing_of_that() -> None:
    now = TUESDAY_MORNING
    expected = joined((*EVENTS, "amd", "twiml"), now)
    assert expected.answered_by == "human"
    for order in permutations((*EVENTS, "amd", "twiml")):
        assert joined(order, now) == expected, order


def test_what_depends_on_the_order_is_only_when_we_learned_it() -> None:
    now = TUESDAY_MORNING
    expected = joined(EVENTS, now)
    same = {name: getattr(expected, name) for name in LEARNED}
    for order in permutations((*EVENTS, "completed")):
        row = joined(order, now, seconds_between=7)
        assert replace(row, **same) == expected, order
        learned = now + timedelta(seconds=60 + order.index("completed") * 7)
        assert row.settled_at == learned


# ── the whole way ──────────────────────────────────────────────────────────────────────────────────────


async def many(db: Database, now: datetime, number: int) -> list[int]:
    """A campaign with so many attempts under way, each with money reserved; their ids."""
    made = []
    async with db.transaction() as tx:
        campaign_id = await rows.campaign(tx, now)
        for n in range(number):
            phone = f"+1212555{n:04d}"
            contact_id = await rows.contact(tx, now, phone=phone)
            place = await rows.enrolled(tx, now, campaign_id, contact_id, phone=phone)
            made.append(
                await rows.attempt(
                    tx,
                    now,
                    marker=f"marker-{n}",
                    phone=phone,
                    campaign_id=campaign_id,
                    campaign_version=1,
                    contact_id=contact_id,
                    campaign_contact_id=place,
                    reserved=RESERVED,
                    fencing=0,
                )
            )
        await tx.execute(
            text(
                "INSERT INTO campaign_spend (campaign_id, day, attempts, reserved) "
                "VALUES (:id, :day, :n, :reserved)"
            ),
            {"id": campaign_id, "day": now.date(), "n": number, "reserved": RESERVED * number},
        )
    return made


async def hear(db: Database, attempt: int, number: int, word: str, now: datetime) -> None:
    """One word through the door by which it comes."""
    later = now + timedelta(seconds=60)
    marker = f"marker-{number}"
    match word:
        case "post":
            async with db.transaction() as tx:
                sent, answered = now + timedelta(seconds=0.1), now + timedelta(seconds=0.3)
                await placing.record_placed(tx, [(attempt, sid(number), "queued", sent, answered)])
        case "lost":
            async with db.transaction() as tx:
                lost = AttemptEvent.LOST
                await placing.record_not_placed(tx, attempt, lost, "no answer", None, now, fencing=0)
        case "twiml":
            form = {"CallSid": sid(number), "CallStatus": "in-progress"}
            await voice.answer(db, marker, form, now + timedelta(seconds=10), mint=MINT)
        case _:
            form = forms(now, sid(number))[word]
            kind: Any = "amd" if word == "amd" else "status"
            await call_events.receive(db, kind=kind, marker=marker, form=form, now=later, hands=HANDS)


async def hear_all(db: Database, told: Sequence[Sequence[str]], now: datetime) -> None:
    made = await many(db, now, len(told))
    few = asyncio.Semaphore(8)

    async def one(number: int, words: Sequence[str]) -> None:
        async with few:
            for word in words:
                await hear(db, made[number], number, word, now)

    await asyncio.gather(*(one(number, words) for number, words in enumerate(told)))


async def finals(db: Database, without: set[str]) -> list[dict[str, Any]]:
    """The different final rows of attempt, outcome and contact together."""
    found: list[dict[str, Any]] = []
    async with db.connection() as tx:
        query = """
            SELECT row_to_json(a) AS a, row_to_json(o) AS o, row_to_json(cc) AS c
              FROM attempts a LEFT JOIN outcomes o ON o.attempt_id = a.id
              JOIN campaign_contacts cc ON cc.id = a.campaign_contact_id
        """
        for row in (await tx.execute(text(query))).mappings():
            kept = {
                f"{table}.{name}": value
                for table in "aoc"
                for name, value in (row[table] or {}).items()
                if name not in NAMES | without
            }
            if kept not in found:
                found.append(kept)
    return found


def apart(different: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    """The columns in which the rows differ."""
    names = {name for one in different for name in one}
    values = {name: [one.get(name) for one in different] for name in sorted(names)}
    return {name: found for name, found in values.items() if any(value != found[0] for value in found)}


async def money_adds_up(db: Database) -> None:
    (spend,) = await rows.rows(db, "campaign_spend")
    outcomes = await rows.rows(db, "outcomes")
    assert spend["reserved"] == 0
    assert spend["spent"] == sum(one["cost"] for one in outcomes) > 0


def orders() -> Iterator[tuple[str, ...]]:
    """All 24 orders of the four events with our POST's answer at each place among them; the verdict, the
    fetch and a second telling of each event at places that differ from one order to the next."""
    number = 0
    for order in permutations(EVENTS):
        for place in range(5):
            words = [*order[:place], "post", *order[place:]]
            for step, more in enumerate(("amd", "twiml", *order)):
                words.insert((number * (step + 3) + step) % (len(words) + 1), more)
            number += 1
            yield tuple(words)


async def test_in_every_order_the_doors_lead_to_the_same_row_outcome_contact_and_money(
    db: Database, clock: ManualClock
) -> None:
    told = list(orders())
    assert len(set(told)) == 120
    await hear_all(db, told, clock.now())
    different = await finals(db, set())
    assert len(different) == 1, apart(different)
    (final,) = different
    assert (final["a.state"], final["o.disposition"], final["o.seconds"]) == ("ended", "abandoned", 36)
    assert (final["c.state"], final["c.attempts"]) == ("waiting", 1)
    await money_adds_up(db)


async def test_in_every_order_a_call_that_nobody_answers_ends_the_same(
    db: Database, clock: ManualClock
) -> None:
    """Its end may come before our own POST's answer: Twilio's callbacks are other connections."""
    now = clock.now()
    words = ("post", "initiated", "ringing", "busy")
    told = [(*order, again) for order in permutations(words) for again in words[1:]]
    made = await many(db, now, len(told))
    for number, order in enumerate(told):
        for word in order:
            if word == "busy":
                form = rows.form("busy", 2, now + timedelta(seconds=5), sid=sid(number))
                await call_events.receive(
                    db, kind="status", marker=f"marker-{number}", form=form, now=now, hands=HANDS
                )
            else:
                await hear(db, made[number], number, word, now)
    different = await finals(db, {"settled_at"})
    assert len(different) == 1, apart(different)
    assert (different[0]["o.disposition"], different[0]["c.attempts"]) == ("busy", 1)
    (spend,) = await rows.rows(db, "campaign_spend")
    assert spend["reserved"] == 0


async def test_whatever_is_lost_one_answer_of_twilio_leads_to_the_same_outcome_contact_and_money(
    db: Database, clock: ManualClock
) -> None:
    """All subsets of what may be lost; the POST's answer came, or was lost, or the process died before it."""
    now = clock.now()
    words = (*EVENTS, "amd")
    told: list[tuple[str, ...]] = [
        (*first, *(word for bit, word in enumerate(words) if subset & 1 << bit))
        for first in (("post",), ("lost",), ())
        for subset in range(2 ** len(words))
    ]
    await hear_all(db, told, now)
    async with FakeTwilio() as twilio:
        for number in range(len(told)):
            end = now + timedelta(seconds=46)
            twilio.call(
                number,
                f"+1212555{number:04d}",
                "completed",
                now + timedelta(seconds=1),
                start_time=rfc2822(now + timedelta(seconds=1)),
                end_time=rfc2822(end),
                duration="36",
                answered_by="human",
                price="-0.01400",
            )
        sweep = Reconciler(db, twilio.gateway, HANDS)
        await clock.advance(59)
        for _ in range(61):  # until a lease without a heartbeat is over, and the look-up that follows
            await clock.advance(1)
            await sweep.tick(clock.now())
        await clock.advance(180)  # the price, and with it what else came late
        await sweep.tick(clock.now())
    different = await finals(db, LEARNED | UNTOLD | {"checks", "recorded_at", "updated_at"})
    assert len(different) == 1, apart(different)
    assert (different[0]["o.disposition"], different[0]["o.seconds"]) == ("abandoned", 36)
    assert len(await rows.rows(db, "outcomes")) == len(told) == 96
    await money_adds_up(db)
