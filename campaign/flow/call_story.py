"""One call from the decision to its outcome: what happened, what was said, why it was made, what it cost."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from campaign.domain.disposition import MEANING, Disposition
from campaign.domain.errors import NotFound
from campaign.flow.happenings import happenings
from campaign.flow.story_words import wrap_up
from campaign.store import browse, decisions
from campaign.store.database import Database, Tx
from campaign.store.decisions import KeptDecision
from campaign.store.story import Happening

_ORDER = (
    "decided",
    "sent",
    "placed",
    "ringing",
    "answered",
    "event",
    "session",
    "first_word",
    "recovery",
    "closed",
    "ending",
    "ended",
    "settled",
    "outcome",
)
"""What comes first of several things at one instant."""
_ANSWERS = {
    "resume": "The conversation was to go on",
    "transfer": "The call was to be transferred",
    "voicemail": "A message was to be left",
    "goodbye": "We said goodbye",
    "hang_up": "We hung up",
}

_EVENTS = {
    "status": "Twilio: status",
    "amd": "Twilio: who or what picked up",
    "twiml": "Twilio asked what to do",
    "action": "Twilio: a session is over",
    "recording": "Twilio: recording",
}


@dataclass(frozen=True, slots=True)
class Moment:
    """One thing that happened.

    Args:
        kind: one of _ORDER.
        what: in a few words.
        detail: more, in a sentence; may be empty.
        bad: it is a fault of something.
    """

    at: datetime
    kind: str
    what: str
    detail: str = ""
    bad: bool = False


@dataclass(frozen=True, slots=True)
class CallStory:
    """All that is known of one call.

    Args:
        attempt: with its outcome, as store/browse.py has it.
        turns, sessions, answers, recoveries: as there.
        decision: by which it was dialled; None for a test call, or when retention has removed it.
        moments: in order.
        cost_lines: what → amount; their sum is the cost.
        place: the contact's (domain/place.py: Place.key); None when it is gone.
        waits_ms: how long the person waited for each of our answers, milliseconds.
    """

    at: datetime
    attempt: Mapping[str, Any]
    turns: Sequence[Mapping[str, Any]]
    sessions: Sequence[Mapping[str, Any]]
    answers: Sequence[Mapping[str, Any]]
    recoveries: Sequence[Mapping[str, Any]]
    decision: KeptDecision | None
    moments: Sequence[Moment]
    cost_lines: Mapping[str, Decimal] = field(default_factory=dict)
    place: str | None = None
    name: str | None = None
    list_name: str | None = None

    @property
    def live(self) -> bool:
        """Whether it is still under way."""
        return self.attempt["settled_at"] is None

    @property
    def waits_ms(self) -> list[int]:
        return [turn["latency_ms"] for turn in self.turns if turn["latency_ms"] is not None]

    @property
    def talked_s(self) -> float | None:
        """Seconds from the answer to the end, or until now."""
        answered: datetime | None = self.attempt["answered_at"]
        end: datetime = self.attempt["ended_at"] or self.attempt["settled_at"] or self.at
        return None if answered is None else max((end - answered).total_seconds(), 0.0)


async def tell_call(db: Database, attempt_id: int, now: datetime) -> CallStory:
    """Gather one call's story.

    Raises:
        NotFound: there is no such attempt.
    """
    async with db.connection() as tx:
        return await _gather(tx, attempt_id, now)


async def _gather(tx: Tx, attempt_id: int, now: datetime) -> CallStory:
    attempt = await browse.attempt(tx, attempt_id)
    if attempt is None:
        raise NotFound(f"There is no call {attempt_id}.", "The list of calls has all there are.")
    said = await browse.transcript(tx, attempt_id)
    decision = None
    if attempt["campaign_contact_id"] is not None:
        decision = await decisions.of_dial(
            tx, attempt["campaign_contact_id"], attempt["phone"], attempt["intent_at"]
        )
    about = await browse.contact_of(tx, attempt["contact_id"]) if attempt["contact_id"] is not None else None
    happened = await happenings(tx, [attempt_id])
    found = sorted(
        [*_milestones(attempt, decision), *_happened(happened), *_sessions(said["sessions"])],
        key=lambda one: (one.at, _ORDER.index(one.kind)),
    )
    return CallStory(
        at=now,
        attempt=attempt,
        turns=said["turns"],
        sessions=said["sessions"],
        answers=said["answers"],
        recoveries=said["recoveries"],
        decision=decision,
        moments=found,
        cost_lines={name: Decimal(amount) for name, amount in (attempt["cost_lines"] or {}).items()},
        place=about["place"] if about else None,
        name=about["first_name"] if about else None,
        list_name=about["list_name"] if about else None,
    )


def _milestones(attempt: Mapping[str, Any], decision: KeptDecision | None) -> Iterator[Moment]:
    """What the attempt's own row tells."""
    why = {"first": "a first call", "retry": "a retry", "callback": "the callback that they asked for"}
    kind = "a test call" if attempt["kind"] == "test" else why.get(attempt["due_for"], attempt["due_for"])
    rules = f"; {len(decision.decision.reasons)} rules were checked and all allowed it" if decision else ""
    yield Moment(attempt["intent_at"], "decided", "Decided to call", f"It is {kind}{rules}.")
    if attempt["sent_at"]:
        yield Moment(attempt["sent_at"], "sent", "Sent to Twilio")
    sent = attempt["sent_at"] or attempt["intent_at"]  # Twilio tells its own times in whole seconds
    if attempt["placed_at"]:
        queued = f"It stood in the queue for {attempt['queue_ms']} ms." if attempt["queue_ms"] else ""
        yield Moment(max(attempt["placed_at"], sent), "placed", "Taken by Twilio", queued)
    if attempt["ringing_at"]:
        yield Moment(max(attempt["ringing_at"], sent), "ringing", "Ringing")
    if attempt["answered_at"]:
        first = attempt["first_word_ms"]
        said = f"Our first word came {first} ms later." if first is not None else ""
        yield Moment(attempt["answered_at"], "answered", "Answered", said)
    if attempt["cancel_at"]:
        asked = (attempt["cancel_why"] or "").removeprefix("stop_now: ")
        # the latest instant at which the line would have been cut: whoever says goodbye before is quicker
        at = min(attempt["cancel_at"], attempt["ended_at"] or attempt["cancel_at"])
        yield Moment(at, "ending", "To be ended", f"{asked}." if asked else "")
    if attempt["ended_at"]:
        status = attempt["call_status"] or "unknown"
        sip = f", SIP {attempt['sip_code']}" if attempt["sip_code"] else ""
        yield Moment(attempt["ended_at"], "ended", "Ended", f"Twilio says {status}{sip}.")
    if attempt["settled_at"]:
        fault = f"{attempt['error']}" if attempt["error"] else ""
        yield Moment(attempt["settled_at"], "settled", "Settled", fault, bad=bool(fault))
    if attempt["recorded_at"] and attempt["disposition"]:
        words = MEANING[Disposition(attempt["disposition"])].words
        yield Moment(attempt["recorded_at"], "outcome", f"Outcome: {attempt['disposition']}", f"{words}.")


def _happened(found: Sequence[Happening]) -> Iterator[Moment]:
    """Twilio's events and our recoveries; the sessions are told with more."""
    for one in found:
        detail = one.detail
        if one.kind == "session":
            continue
        if one.kind == "recovery":
            became = f" What became of it: {detail['became']}." if detail.get("became") else ""
            code = f" (error {detail['error_code']})" if detail.get("error_code") else ""
            said = f"{_ANSWERS[detail['answer']]}, because: {detail['why']}{code}.{became}"
            yield Moment(one.at, "recovery", "Asked what comes next", said)
            continue
        if one.kind == "wrap_up":
            yield Moment(one.at, "event", "Looked at afterwards", f"{wrap_up(detail)}.")
            continue
        told = [detail.get("status"), detail.get("answered_by"), detail.get("error")]
        if detail.get("error_code"):
            told.append(f"error {detail['error_code']}")
        late = " It is not handled yet." if detail.get("unhandled") else ""
        words = ", ".join(filter(None, told))
        what = _EVENTS.get(one.kind, f"Twilio: {one.kind}")
        said = f"{words}.{late}" if words else late.strip()
        yield Moment(one.at, "event", what, said, bad=bool(detail.get("error")))


def _sessions(found: Sequence[Mapping[str, Any]]) -> Iterator[Moment]:
    for one in found:
        number = one["ordinal"]
        if one["opened_at"]:
            agent = f"Agent: {one['agent']}." if one["agent"] else ""
            what = "Conversation began" if number == 1 else f"Conversation went on (session {number})"
            yield Moment(one["opened_at"], "session", what, agent)
        if one["closed_at"]:
            why = f"{one['closed_why']}." if one["closed_why"] else ""
            yield Moment(one["closed_at"], "closed", f"Session {number} closed", why)
