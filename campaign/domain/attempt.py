"""The attempt's states as a table.

An attempt is one try to reach one number. Its row is committed before the call is placed, so that a crash
at any moment leaves something to ask about. What Twilio tells us comes late, twice, out of order or never;
therefore the state is a join over a rank: an event can move an attempt forward, never back, and an attempt
that is settled stays settled.

    placing ──accepted──▶ placed ──ringing──▶ ringing ──answered──▶ answered ──over──▶ ended
       │ └──not_sent──▶ not_placed                                                       ▲
       └──lost──▶ unknown ── any word of Twilio's ──▶ placed / ringing / answered ───────┤
                     ├──not_found (the hold is over, Twilio's list shows no call) ───────┤
                     └──given_up (Twilio could not be asked for a day) ──────────────────┘
"""

from enum import StrEnum
from types import MappingProxyType


class AttemptState(StrEnum):
    PLACING = "placing"
    UNKNOWN = "unknown"
    PLACED = "placed"
    RINGING = "ringing"
    ANSWERED = "answered"
    ENDED = "ended"
    NOT_PLACED = "not_placed"


class AttemptEvent(StrEnum):
    """What can happen to an attempt, whoever tells it (Twilio's answer, a call event, our own sweep)."""

    ACCEPTED = "accepted"
    """Twilio answered 201 with a sid, its list shows the call, or `initiated` came."""
    REFUSED = "refused"
    """Twilio refused the number: nothing was created."""
    NOT_SENT = "not_sent"
    """Proven that no call was created: no connection, 429, a configuration fault."""
    LOST = "lost"
    """The result of placing is unknown, or the replica that placed is gone."""
    RINGING = "ringing"
    ANSWERED = "answered"
    """`in-progress`, or Twilio fetched the TwiML."""
    OVER = "over"
    """A terminal call status: completed, busy, no-answer, failed, canceled."""
    NOT_FOUND = "not_found"
    """The hold is over and Twilio knows of no such call."""
    GIVEN_UP = "given_up"
    """The hold is long over and Twilio could never be asked: nothing is proven."""


_S, _E = AttemptState, AttemptEvent

SETTLED = frozenset({_S.ENDED, _S.NOT_PLACED})
"""States that never change again; the database frees the number for other attempts."""

TABLE = MappingProxyType(
    {
        (_S.PLACING, _E.ACCEPTED): _S.PLACED,
        (_S.PLACING, _E.REFUSED): _S.NOT_PLACED,
        (_S.PLACING, _E.NOT_SENT): _S.NOT_PLACED,
        (_S.PLACING, _E.LOST): _S.UNKNOWN,
        (_S.PLACING, _E.RINGING): _S.RINGING,
        (_S.PLACING, _E.ANSWERED): _S.ANSWERED,
        (_S.PLACING, _E.OVER): _S.ENDED,
        (_S.UNKNOWN, _E.ACCEPTED): _S.PLACED,
        (_S.UNKNOWN, _E.RINGING): _S.RINGING,
        (_S.UNKNOWN, _E.ANSWERED): _S.ANSWERED,
        (_S.UNKNOWN, _E.OVER): _S.ENDED,
        (_S.UNKNOWN, _E.NOT_FOUND): _S.ENDED,
        (_S.UNKNOWN, _E.GIVEN_UP): _S.ENDED,
        (_S.PLACED, _E.RINGING): _S.RINGING,
        (_S.PLACED, _E.ANSWERED): _S.ANSWERED,
        (_S.PLACED, _E.OVER): _S.ENDED,
        (_S.RINGING, _E.ANSWERED): _S.ANSWERED,
        (_S.RINGING, _E.OVER): _S.ENDED,
        (_S.ANSWERED, _E.OVER): _S.ENDED,
    }
)
"""Every pair that changes something. A pair that is not here is harmless: late, doubled or beside the point.

A late REFUSED or NOT_SENT never touches an attempt of which Twilio has spoken, and UNKNOWN is left only by
Twilio's word or at the end of the hold: an ambiguous create is never "retried" (Twilio's Calls API has no
idempotency key).
"""

STATUS_EVENT = MappingProxyType(
    {
        "queued": _E.ACCEPTED,
        "initiated": _E.ACCEPTED,
        "ringing": _E.RINGING,
        "in-progress": _E.ANSWERED,
        "completed": _E.OVER,
        "busy": _E.OVER,
        "no-answer": _E.OVER,
        "failed": _E.OVER,
        "canceled": _E.OVER,
    }
)
"""Twilio's call statuses as events. `initiated` exists only in callbacks, `queued` only in REST."""


def after(state: AttemptState, event: AttemptEvent) -> AttemptState:
    """The state after an event; the same state when the event says nothing new."""
    return TABLE.get((state, event), state)
