"""The verdict on a run: what really rang, held against the rules and against our rows."""

import itertools
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from campaign.store.attempts import ON_THE_LINE
from campaign.store.database import Database
from tests.simulation.plan import LOS_ANGELES_ZONE, NEW_YORK_ZONE
from tests.simulation.truth import Ring
from tests.support.campaigns import rows
from tests.support.money import unbalanced

if TYPE_CHECKING:
    from tests.simulation.world import World

PACE_SPAN_S = 1.0
SETTLED_WITHIN_S = 60.0 + 10.0
"""A minute, and what the simulation's ticks are further apart than the service's."""
NEWS_S = 2.0
"""From hearing of a call to the last one that was claimed without knowing of it."""
BACK_S = 20.0 + 10.0
"""After the weather has cleared: the longest until a process is back, and until it has a dead one's lease."""


async def judge(world: "World", db: Database) -> None:
    """Write everything that must not be into the world's report."""
    attempts = {row["marker"]: row for row in await rows(db, _ATTEMPTS)}
    rings = list(world.twilio.rings.values())
    found = world.report.violations
    found += _dialled_twice(rings, attempts)
    found += _against_the_law(world, rings)
    found += _after_opt_out(world, rings, attempts)
    found += _while_stopped(world, attempts)
    found += _too_fast(world)
    found += _lines(world, rings)
    found += _lost(world, rings, attempts)
    found += _late(world, rings, attempts)
    found += [f"left over: {row}" for row in await rows(db, _LEFT_OVER)]
    found += [f"money doesn't add up: {row}" for row in await unbalanced(db)]
    cap = world.plan.cap
    if cap is not None and world.spent_most > cap + 1e-9:
        found.append(f"the budget of {cap} was passed: {world.spent_most}")
    found += [f"unforeseen: {_fault(fault)}" for fault in world.loop.faults]
    _count(world, rings, attempts)


_ATTEMPTS = """
    SELECT a.marker, a.id, a.phone, a.kind, a.state, a.call_sid, a.call_status, a.intent_at, a.settled_at,
           a.campaign_id, a.campaign_contact_id, a.turned_away, a.cancel_why, a.error, o.disposition, o.final,
           (SELECT e.kind FROM call_events e WHERE e.marker = a.marker ORDER BY e.received_at, e.id LIMIT 1)
               AS first_event
      FROM attempts a LEFT JOIN outcomes o ON o.attempt_id = a.id ORDER BY a.id
"""
_LEFT_OVER = """
    SELECT cc.id, cc.phone, cc.state FROM campaign_contacts cc
     WHERE cc.state = 'calling'
       AND NOT EXISTS (SELECT FROM attempts a WHERE a.campaign_contact_id = cc.id AND a.settled_at IS NULL)
"""


def _dialled_twice(rings: Sequence[Ring], attempts: dict[str, Any]) -> list[str]:
    found = []
    for marker, count in Counter(ring.marker for ring in rings).items():
        if count > 1:
            found.append(f"double dial: {count} calls for one intent, to {attempts[marker]['phone']}")
    by_number: dict[str, list[Ring]] = {}
    for ring in rings:
        if ring.marker not in attempts:
            found.append(f"a call without an intent, to {ring.to}")
        by_number.setdefault(ring.to, []).append(ring)
    for number, several in by_number.items():
        ordered = sorted(several, key=lambda ring: ring.created)
        for before, after in itertools.pairwise(ordered):
            if before.ended is None or before.ended > after.created:
                found.append(f"double dial: two calls at once to {number}")
        per_contact = Counter(
            attempts[ring.marker]["campaign_contact_id"]
            for ring in several
            if ring.marker in attempts and ring.ringing is not None and ring.status != "canceled"
        )
        for contact, count in per_contact.items():
            if contact is not None and count > 1:
                found.append(
                    f"double dial: contact {contact} ({number}) rang {count} times, retries being off"
                )
    return found


def _against_the_law(world: "World", rings: Sequence[Ring]) -> list[str]:
    found = []
    for ring in rings:
        if ring.ringing is None:
            continue
        # A call to one's own number knows no list: the number's own zone is all the evidence there is.
        west = ring.to in world.plan.west and ring.marker not in world.own
        zone = LOS_ANGELES_ZONE if west else NEW_YORK_ZONE
        local = world.twilio.at(ring.ringing).astimezone(zone)
        if not 8 <= local.hour < 21:
            found.append(f"outside hours: {ring.to} rang at {local:%H:%M:%S} {zone.key}")
    return found


def _after_opt_out(world: "World", rings: Sequence[Ring], attempts: dict[str, Any]) -> list[str]:
    found = []
    for ring in rings:
        told = world.allowed.get(ring.to)
        if told is not None:
            at, known = told
            if ring.marker in attempts and ring.marker not in known:
                found.append(f"after DNC: {ring.to} was intended after the opt-out of second {at:.2f}")
            late = [t for t, text in ring.heard if t > at + 10 and "This is a call from" not in text]
            if ring.answered is not None and ring.answered > at + 1 and late:
                found.append(f"after DNC: {ring.to} answered after the opt-out, and was talked to")
    for ring in rings:
        if ring.opted_out is None:
            continue
        later = [r for r in rings if r.to == ring.to and r.created > ring.opted_out + 2]
        for other in later:
            found.append(
                f"after DNC: {other.to} was dialled after saying stop in second {ring.opted_out:.2f}"
            )
    return found


def _while_stopped(world: "World", attempts: dict[str, Any]) -> list[str]:
    found = []
    start = world.plan.start
    for since, until, name, known in world.stopped:
        for marker, row in attempts.items():
            at = (row["intent_at"] - start).total_seconds()
            mine = name is None or world.campaigns.get(row["campaign_id"]) == name
            if mine and marker not in known and since + 0.1 < at < until - 0.1:
                found.append(f"dialled while stopped: intent at {at:.2f}, stopped {since:.2f} to {until:.2f}")
    return found


def _too_fast(world: "World") -> list[str]:
    times = sorted(sent.at for sent in world.twilio.sent)
    found = []
    for index, at in enumerate(times):
        count = sum(1 for other in times[index:] if other < at + PACE_SPAN_S)
        if count > world.plan.cps:
            found.append(f"too fast: {count} calls in the second from {at:.3f}, {world.plan.cps} allowed")
            break
    return found


def _lines(world: "World", rings: Sequence[Ring]) -> list[str]:
    """Calls that were begun although, by what the service can have known, no line was free.

    A call that Twilio begins long after a request without an answer is news to nobody before its first
    callback, its TwiML fetch or its place in a list: from then on it holds a line.
    """
    sent = {one.marker: one.at for one in world.twilio.sent}
    counted = [ring for ring in rings if ring.marker not in world.own]
    in_time = [ring for ring in counted if ring.created <= sent[ring.marker] + ON_THE_LINE.total_seconds()]
    known = [(ring.created, ring) for ring in in_time] + [
        (ring.heard_from + NEWS_S, ring)
        for ring in counted
        if ring not in in_time and ring.heard_from is not None
    ]
    for ring in in_time:
        at = ring.created
        up = sum(since <= at and (other.ended is None or other.ended > at) for since, other in known)
        if up > world.plan.max_calls:
            return [f"lines: {up} calls at once, {world.plan.max_calls} allowed"]
    return []


_RIGHT = {
    "no-answer": {"no_answer"},
    "busy": {"busy"},
    "failed": {"failed", "bad_number"},
    "canceled": {"canceled"},
}


def _lost(world: "World", rings: Sequence[Ring], attempts: dict[str, Any]) -> list[str]:
    found = []
    by_marker = {ring.marker: ring for ring in rings}
    for marker, row in attempts.items():
        ring = by_marker.get(marker)
        if row["settled_at"] is None:
            found.append(
                f"no end: attempt {row['id']} is {row['state']}, call {ring.status if ring else None}"
            )
            continue
        if row["disposition"] is None:
            found.append(f"lost outcome: attempt {row['id']} ({row['state']}) has none")
            continue
        if ring is None:
            if row["disposition"] not in ("unknown", "not_placed", "bad_number"):
                found.append(f"made up: attempt {row['id']} is {row['disposition']}, and there was no call")
            continue
        if row["call_sid"] != ring.sid:
            found.append(f"lost outcome: attempt {row['id']} is {row['disposition']}, its call {ring.status}")
            continue
        right = _RIGHT.get(ring.status)
        wrong = row["disposition"] not in right if right else row["disposition"] in (
            "unknown", "not_placed", "no_answer", "busy", "canceled", "failed")  # fmt: skip
        if wrong:
            found.append(
                f"wrong outcome: attempt {row['id']} is {row['disposition']}, its call {ring.status}"
            )
    return found


def _late(world: "World", rings: Sequence[Ring], attempts: dict[str, Any]) -> list[str]:
    """What Twilio knows is in our row within a minute of the time when it can be asked."""
    found = []
    for ring in rings:
        row = attempts.get(ring.marker)
        if row is None or row["settled_at"] is None or ring.ended is None:
            continue
        can_be_asked = max(ring.ended, world.calm_at + BACK_S)
        took = (row["settled_at"] - world.plan.start).total_seconds() - can_be_asked
        if took > SETTLED_WITHIN_S:
            found.append(f"late: attempt {row['id']} was settled {took:.0f} s after Twilio could have told")
    return found


def _fault(fault: dict[str, Any]) -> str:
    error = fault.get("exception")
    return f"{fault.get('message')}: {error!r}"


def _count(world: "World", rings: Sequence[Ring], attempts: dict[str, Any]) -> None:
    report = world.report
    report.count("contacts", len(world.plan.people))
    report.count("attempts", len(attempts))
    report.count("calls", len(rings))
    report.count("calls answered", sum(ring.answered is not None for ring in rings))
    by_marker = {ring.marker for ring in rings}
    for sent in world.twilio.sent:
        report.count(f"POST {sent.fault or 'as it should be'}")
    for row in attempts.values():
        if row["disposition"] == "unknown":
            report.count("closed as unknown")
            report.count("closed as unknown, with a call", row["marker"] in by_marker)
        elif row["error"] is not None and row["state"] == "ended":
            report.count(f"unknown, then settled by {_WAYS.get(row['first_event'], 'the late answer')}")


_WAYS = {
    "status": "a callback",
    "amd": "a callback",
    "twiml": "the TwiML fetch",
    "action": "the TwiML fetch",
    "found": "Twilio's list",
}
