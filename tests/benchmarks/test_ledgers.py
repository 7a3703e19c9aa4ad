"""The verdict on a run with crashes finds what it is there to find: one that can't would prove nothing."""

from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest

from benchmarks.ledgers import CLOSED, LATE_ANSWER, Opening, Suppressed, Verdict, judge, most_within
from campaign.store.database import Database
from tests.support.campaigns import make_attempt, phone, rows
from tests.support.dialing import moved_clock, running_campaign

SENT = datetime(2026, 11, 24, 15, 30, tzinfo=UTC)
"""Half past ten in New York."""
OPENING = Opening(time(8), time(11), time(12), time(20))
HOLD = timedelta(minutes=15)


class Run:
    """One call to one person, as it should be; tests change one side of it."""

    def __init__(self, db: Database, db_url: str) -> None:
        self.db = db
        self.url = db_url
        self.creates: list[dict[str, Any]] = []
        self.calls: list[dict[str, Any]] = []
        self.suppressed: list[Suppressed] = []
        self.calls_per_second = 1.0

    async def begin(self) -> "Run":
        campaign = await running_campaign(self.db, moved_clock(), 1)
        await make_attempt(self.db, campaign, phone(0), state="ended", disposition="busy", now=SENT)
        await self.change("UPDATE attempts SET call_status = 'busy', call_sid = 'CA1', sent_at = intent_at")
        (row,) = await rows(self.db, "SELECT marker FROM attempts")
        self.post("CA1", row["marker"])
        return self

    async def change(self, statement: str, **given: Any) -> None:
        await rows(self.db, statement, **given)

    def post(self, sid: str | None, marker: str, at: datetime = SENT, to: str = phone(0)) -> None:
        """A POST that reached Twilio, and the call that it made unless there is no SID."""
        self.creates.append(
            {
                "to": to,
                "received": (at + timedelta(seconds=2)).isoformat(),
                "at": at.timestamp(),
                "params": {"Url": [f"https://calls.example.com/twilio/voice/{marker}#rc=1"]},
                "call_sid": sid,
            }
        )
        if sid is not None:
            self.calls.append({"sid": sid, "to": to, "parent_sid": None, "status": "busy", "sessions": 0})

    def verdict(self) -> Verdict:
        return judge(
            self.url,
            {"creates": self.creates, "calls": self.calls},
            {"results": {"accepted": len(self.calls)}, "worst_second": 1},
            [{"fault": None}, {"fault": "lost"}],
            suppressed=self.suppressed,
            opening=OPENING,
            calls_per_second=self.calls_per_second,
            rate=1.0,
            on_the_way=timedelta(seconds=1),
            shift=timedelta(seconds=2),
        )


@pytest.fixture
async def run(db: Database, db_url: str) -> Run:
    return await Run(db, db_url).begin()


def nothing_wrong(verdict: Verdict) -> bool:
    return not (
        verdict.double_dials
        or verdict.dials_after_dnc
        or verdict.dials_outside_hours
        or verdict.lost_outcomes
        or verdict.pace_exceeded
    )


async def test_a_run_in_which_all_is_well_is_found_well(run: Run) -> None:
    verdict = run.verdict()
    assert nothing_wrong(verdict)
    assert (verdict.creates, verdict.calls, verdict.unknowns) == (1, 1, 0)
    assert verdict.deliveries == {"": 1, "lost": 1}


async def test_a_second_call_to_a_number_is_a_double_dial(run: Run) -> None:
    run.post("CA2", "another", SENT + timedelta(hours=4))
    assert [found.partition(" was ")[2] for found in run.verdict().double_dials] == ["called 2 times"]


async def test_a_marker_that_went_out_twice_is_a_double_dial_though_one_was_refused(run: Run) -> None:
    marker = run.creates[0]["params"]["Url"][0].split("/")[-1].split("#")[0]
    run.post(None, marker)
    assert run.verdict().double_dials == ["a marker went out 2 times"]


@pytest.mark.parametrize(
    ("listed_s", "intent_s", "sessions", "wrong"),
    [
        (-60.0, 0.0, 0, 1),  # listed long before
        (-0.5, -0.2, 0, 1),  # the intent was committed after
        (-0.5, -0.8, 0, 0),  # on its way
        (-0.5, -0.8, 1, 1),  # on its way, and talked to
        (0.5, 0.0, 1, 0),  # listed afterwards
    ],
)
async def test_a_dial_to_a_number_that_was_listed_is_found_unless_it_was_on_its_way(
    run: Run, listed_s: float, intent_s: float, sessions: int, wrong: int
) -> None:
    run.suppressed = [Suppressed(phone(0), SENT + timedelta(seconds=listed_s))]
    run.calls[0]["sessions"] = sessions
    await run.change("UPDATE attempts SET intent_at = :at", at=SENT + timedelta(seconds=intent_s))
    verdict = run.verdict()
    assert len(verdict.dials_after_dnc) == wrong
    assert verdict.dnc_on_their_way == (listed_s < 0 and not wrong)


@pytest.mark.parametrize("minutes", [-160, 30, 89, 600])
async def test_a_dial_while_the_window_is_closed_is_found(run: Run, minutes: int) -> None:
    run.creates[0]["received"] = (SENT + timedelta(minutes=minutes, seconds=2)).isoformat()
    assert len(run.verdict().dials_outside_hours) == 1


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM outcomes",
        "UPDATE attempts SET state = 'answered', settled_at = NULL",
        "UPDATE attempts SET call_sid = NULL",
        "UPDATE attempts SET call_status = 'completed'",
        "UPDATE campaign_contacts SET state = 'calling'",
        "UPDATE campaign_contacts SET state = 'waiting', next_at = updated_at",
        "UPDATE campaign_contacts SET state = 'blocked'",
        "UPDATE campaign_contacts SET disposition = NULL",
    ],
)
async def test_whatever_has_no_end_or_another_than_twilio_says_is_a_lost_outcome(
    run: Run, statement: str
) -> None:
    await run.change(statement)
    assert len(run.verdict().lost_outcomes) == 1


@pytest.mark.parametrize("what", ["sent", "arrived"])
async def test_too_many_calls_in_a_window_are_found(run: Run, what: str) -> None:
    if what == "sent":
        run.calls_per_second = 0.5
        await run.change(
            "INSERT INTO attempts (marker, campaign_id, campaign_contact_id, contact_id, phone, caller_id, "
            "state, intent_at, slot_at, replica, settled_at, sent_at) SELECT 'other', campaign_id, "
            "campaign_contact_id, contact_id, '+12125559999', caller_id, 'ended', intent_at, slot_at, "
            "replica, settled_at, sent_at + interval '1.9 s' FROM attempts"
        )
        await run.change(
            "INSERT INTO outcomes (attempt_id, disposition, category, final, recorded_at) "
            "SELECT id, 'unknown', 'failure', true, settled_at FROM attempts WHERE marker = 'other'"
        )
    else:
        for second in range(10):
            run.post(None, f"m{second}", SENT + timedelta(seconds=0.9 * second), f"+1212556{second:04}")
    assert [found.split(" ")[2] for found in run.verdict().pace_exceeded] == [what]


@pytest.mark.parametrize(
    ("kind", "held", "sid", "way"),
    [
        ("status", True, "CA1", "a callback"),
        ("twiml", True, "CA1", "the TwiML fetch"),
        ("found", True, "CA1", "Twilio's list"),
        (None, True, None, CLOSED),
        (None, False, "CA1", LATE_ANSWER),
    ],
)
async def test_it_is_told_how_an_unknown_result_was_settled(
    run: Run, kind: str | None, held: bool, sid: str | None, way: str
) -> None:
    await run.change(
        "UPDATE attempts SET error = 'no answer', call_sid = :sid, hold_until = :until",
        sid=sid,
        until=SENT + HOLD if held else None,
    )
    if kind is not None:
        await run.change(
            "INSERT INTO call_events (dedupe, kind, marker, attempt_id, payload, received_at) "
            "SELECT 'x', :kind, marker, id, '{}', CAST(:at AS timestamptz) FROM attempts",
            kind=kind,
            at=SENT + timedelta(seconds=20),
        )
    verdict = run.verdict()
    assert (verdict.unknowns, verdict.settled) == (1, {way: 1})
    assert verdict.slowest_s == (20 if kind in ("status", "twiml") else 0)


def brute(instants: list[float], seconds: float) -> int:
    return max((sum(a <= b < a + seconds for b in instants) for a in instants), default=0)


@pytest.mark.parametrize("count", [0, 1, 7, 30])
def test_the_fullest_window_is_the_fullest(count: int) -> None:
    instants = [((n * 7919) % 101) / 10 for n in range(count)]
    for seconds in (0.1, 1.0, 3.3):
        assert most_within(instants, seconds) == brute(instants, seconds)
