"""What really rang, held against what the database says: the verdict on a run with crashes.

The simulator's ledger is the truth here: every POST that reached it, every call that it made of one. The
service's tables must tell the same story.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from benchmarks import machine
from campaign.domain.phone import mask
from campaign.store.attempts import HOLD

ZONES = {
    "+1212": ZoneInfo("America/New_York"),
    "+1305": ZoneInfo("America/New_York"),
    "+1617": ZoneInfo("America/New_York"),
    "+1312": ZoneInfo("America/Chicago"),
}
"""Where the people of `place.write_people` live, by area code."""

ATTEMPTS = """
    SELECT a.id, a.marker, a.phone, a.call_sid, a.call_status, a.state, a.intent_at, a.sent_at, a.hold_until,
           a.error, o.disposition
      FROM attempts a LEFT JOIN outcomes o ON o.attempt_id = a.id ORDER BY a.id
"""
FIRST_EVENTS = """
    SELECT DISTINCT ON (attempt_id) attempt_id, kind, received_at
      FROM call_events WHERE attempt_id IS NOT NULL ORDER BY attempt_id, received_at, id
"""
UNTOLD_CONTACTS = """
    SELECT phone, state FROM campaign_contacts
     WHERE NOT coalesce(CASE state
               WHEN 'done' THEN disposition IS NOT NULL
               WHEN 'blocked' THEN waiting_for IS NOT NULL
               WHEN 'waiting' THEN disposition = 'callback' END, false)
"""
WAYS = {
    "status": "a callback",
    "amd": "a callback",
    "action": "a callback",
    "recording": "a callback",
    "dial": "a callback",
    "twiml": "the TwiML fetch",
    "found": "Twilio's list",
}
LATE_ANSWER, CLOSED = "Twilio's answer, late", "closed after the hold"


@dataclass(frozen=True, slots=True)
class Suppressed:
    """A number put on the do-not-call list during the run; clock instants."""

    phone: str
    committed_by: datetime
    """When the service had said that it stands there."""


@dataclass(frozen=True, slots=True)
class Opening:
    """When people may be called, on their own clocks: `opens` to `closes`, without the break between."""

    opens: time
    break_from: time
    break_to: time
    closes: time

    def is_open(self, at: datetime, phone: str) -> bool:
        local = at.astimezone(ZONES[phone[:5]]).time()
        return self.opens <= local < self.closes and not self.break_from <= local < self.break_to


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a run came to. What must be 0 is a list of sentences, one for each case, numbers masked."""

    creates: int
    calls: int
    results: Mapping[str, int]
    """What became of the POSTs at Twilio, its faults included."""
    deliveries: Mapping[str, int]
    """Webhooks by what went wrong with them; "" for those that went out as they should."""
    double_dials: Sequence[str]
    dials_after_dnc: Sequence[str]
    dials_outside_hours: Sequence[str]
    lost_outcomes: Sequence[str]
    pace_exceeded: Sequence[str]
    dnc_on_their_way: int
    """POSTs of intents that were committed within the second before the number was listed."""
    unknowns: int
    settled: Mapping[str, int]
    """How the unknown ones were settled."""
    slowest_s: float
    """Clock seconds until the slowest of those that a callback or a TwiML fetch settled was."""
    worst_second: int


def marker_of(create: Mapping[str, Any]) -> str:
    """The attempt's marker in a POST's Url: the last segment of its path."""
    return str(urlsplit(create["params"]["Url"][0]).path).rpartition("/")[2]


def judge(
    url: str,
    calls: Mapping[str, Any],
    report: Mapping[str, Any],
    deliveries: Sequence[Mapping[str, Any]],
    *,
    suppressed: Sequence[Suppressed],
    opening: Opening,
    calls_per_second: float,
    rate: float,
    on_the_way: timedelta,
    shift: timedelta,
) -> Verdict:
    """Hold the simulator's ledger against the tables.

    Args:
        url: the database.
        calls, report, deliveries: the simulator's /simulator/… of those names.
        on_the_way: how long after its intent a POST may still go out (clock time).
        shift: by how much later than sent a POST is written down (the simulator was told to be slow).
    """
    creates = [
        {**one, "sent": datetime.fromisoformat(one["received"]) - shift, "marker": marker_of(one)}
        for one in calls["creates"]
    ]
    attempts = _rows(url, ATTEMPTS)
    events = {row["attempt_id"]: row for row in _rows(url, FIRST_EVENTS)}
    by_marker = {row["marker"]: row for row in attempts}
    made = {call["sid"]: call for call in calls["calls"] if call["parent_sid"] is None}
    after_dnc, on_their_way = _after_dnc(creates, by_marker, made, suppressed, on_the_way)
    unknowns, settled, slowest = _unknowns(attempts, events)
    return Verdict(
        creates=len(creates),
        calls=len(made),
        results=report["results"],
        deliveries=Counter(one["fault"] or "" for one in deliveries),
        double_dials=_double(creates),
        dials_after_dnc=after_dnc,
        dials_outside_hours=[
            f"{mask(one['to'])} at {one['sent'].isoformat()}"
            for one in creates
            if not opening.is_open(one["sent"], one["to"])
        ],
        lost_outcomes=[*_untold(url, attempts), *_unlike(creates, by_marker, made)],
        pace_exceeded=_too_fast(creates, attempts, calls_per_second, rate),
        dnc_on_their_way=on_their_way,
        unknowns=unknowns,
        settled=settled,
        slowest_s=slowest,
        worst_second=report["worst_second"],
    )


def _rows(url: str, statement: str) -> list[dict[str, Any]]:
    with machine.connect(url) as connection:
        found = connection.execute(statement)
        names = [column.name for column in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def _double(creates: Sequence[Mapping[str, Any]]) -> list[str]:
    """Numbers that were called twice (the campaign retries nothing), and markers that went out twice."""
    numbers = Counter(one["to"] for one in creates if one["call_sid"])
    markers = Counter(one["marker"] for one in creates)
    twice = [f"{mask(number)} was called {count} times" for number, count in numbers.items() if count > 1]
    return [*twice, *(f"a marker went out {n} times" for n in markers.values() if n > 1)]


def _after_dnc(
    creates: Sequence[Mapping[str, Any]],
    attempts: Mapping[str, Mapping[str, Any]],
    calls: Mapping[str, Mapping[str, Any]],
    suppressed: Sequence[Suppressed],
    on_the_way: timedelta,
) -> tuple[list[str], int]:
    """(dials to listed numbers; POSTs whose intent was committed just before, and that nobody talked on)."""
    listed = {one.phone: one.committed_by for one in suppressed}
    wrong, on_their_way = [], 0
    for one in creates:
        since = listed.get(one["to"])
        if since is None or one["sent"] <= since:
            continue
        attempt = attempts.get(one["marker"])
        late = (one["sent"] - since).total_seconds()
        talked = one["call_sid"] is not None and calls[one["call_sid"]]["sessions"] > 0
        if attempt is None or attempt["intent_at"] > since or one["sent"] > since + on_the_way:
            wrong.append(f"{mask(one['to'])} {late:.1f} s after it was listed")
        elif talked:
            wrong.append(f"{mask(one['to'])} was on its way when it was listed, and was talked to")
        else:
            on_their_way += 1
    return wrong, on_their_way


def _untold(url: str, attempts: Sequence[Mapping[str, Any]]) -> list[str]:
    """Attempts and contacts that nothing is told of at the end."""
    open_ones = [
        f"attempt {row['id']} is {row['state']}" + ("" if row["disposition"] else " without an outcome")
        for row in attempts
        if row["state"] not in ("ended", "not_placed") or row["disposition"] is None
    ]
    contacts = [f"{mask(row['phone'])} is {row['state']}" for row in _rows(url, UNTOLD_CONTACTS)]
    return open_ones + contacts


def _unlike(
    creates: Sequence[Mapping[str, Any]],
    attempts: Mapping[str, Mapping[str, Any]],
    calls: Mapping[str, Mapping[str, Any]],
) -> list[str]:
    """Calls that no attempt knows of, or knows another end of."""
    found = []
    for one in creates:
        if one["call_sid"] is None:
            continue
        call, attempt = calls[one["call_sid"]], attempts.get(one["marker"])
        if attempt is None or attempt["call_sid"] != call["sid"]:
            found.append(f"a call to {mask(one['to'])} is no attempt's")
        elif attempt["call_status"] != call["status"]:
            found.append(
                f"attempt {attempt['id']} says {attempt['call_status']}, Twilio says {call['status']}"
            )
    return found


def _unknowns(
    attempts: Sequence[Mapping[str, Any]], events: Mapping[int, Mapping[str, Any]]
) -> tuple[int, Mapping[str, int], float]:
    """(how many had an unknown result, how they were settled, the slowest by Twilio's word in seconds)."""
    settled: dict[str, int] = defaultdict(int)
    count, slowest = 0, 0.0
    for row in attempts:
        held = row["hold_until"] is not None
        if row["state"] == "not_placed" or not (held or row["error"]):
            continue
        count += 1
        event = events.get(row["id"])
        if not held:
            settled[LATE_ANSWER] += 1
        elif event is None:
            settled[CLOSED if row["call_sid"] is None else LATE_ANSWER] += 1
        else:
            settled[WAYS[event["kind"]]] += 1
            if event["kind"] != "found":
                waited = event["received_at"] - (row["hold_until"] - HOLD)
                slowest = max(slowest, waited.total_seconds())
    return count, dict(settled), slowest


def _too_fast(
    creates: Sequence[Mapping[str, Any]],
    attempts: Sequence[Mapping[str, Any]],
    calls_per_second: float,
    rate: float,
) -> list[str]:
    """Seconds that hold too many calls by the replicas' own clocks; and, as calls also went out of which no
    replica lived to write the instant, ten real seconds that hold too many arrivals. (A busy machine holds
    things up on their way, which a fast clock makes longer: less than a real second of it proves nothing.)"""
    sent = [row["sent_at"].timestamp() for row in attempts if row["sent_at"] is not None]
    arrived = [one["at"] for one in creates]
    found = []
    for what, instants, seconds, jitter in (
        ("sent", sent, max(1.0, 1 / calls_per_second), 0.0),
        ("arrived", arrived, 10.0 * rate, 1.0 * rate),
    ):
        most, allowed = most_within(instants, seconds - jitter), max(1, int(calls_per_second * seconds))
        if most > allowed:
            found.append(f"{most} calls {what} in {seconds:g} s, {allowed} allowed")
    return found


def most_within(instants: Sequence[float], seconds: float) -> int:
    """The most in any half-open sliding window of that length."""
    ordered = sorted(instants)
    return max(
        (bisect_left(ordered, at + seconds, lo=index) - index for index, at in enumerate(ordered)), default=0
    )
