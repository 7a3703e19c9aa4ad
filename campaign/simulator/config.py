"""What a simulated account is, how long things take, and what may go wrong.

Timings are in clock seconds, as (shortest, longest); each call draws its own. Their sources are the
recordings summed up in TWILIO 10, 2.3, 1.4 and 3.6.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from random import Random
from typing import Any

ACCOUNT_SID = "AC51a3000000000000000000000000f00d"
AUTH_TOKEN = "simulator0auth0token0simulator00"
API_KEY = "SK51a3000000000000000000000000f00d"
API_SECRET = "simulator0api0secret"

Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Timings:
    """How long each step takes, in clock seconds (shortest, longest)."""

    initiated: Range = (0.25, 0.35)  # create -> callback `initiated` (3.6)
    ringing: Range = (0.15, 0.25)  # initiated -> ringing (10.2)
    answer: Range = (2.0, 8.0)  # a person picks up
    machine_answer: Range = (12.0, 18.0)  # an answering machine picks up
    busy: Range = (4.0, 6.0)  # ringing -> busy (10.3)
    failed: Range = (0.4, 1.2)  # initiated -> failed
    final_callback: Range = (0.3, 1.3)  # end of the call -> callback `completed` (3.6)
    action_after_end: Range = (0.3, 1.0)  # 1.4, the app sent `end`
    action_after_hangup: Range = (0.4, 0.8)  # 1.4
    action_after_rest: Range = (0.17, 0.26)  # 1.4
    action_after_drop: Range = (1.2, 1.2)  # 1.4
    action_after_malformed: Range = (0.16, 0.16)  # 1.4
    reconnect: Range = (0.4, 0.4)  # 1.4: the second socket after the action's TwiML
    close: Range = (0.09, 0.09)  # 1.4: `end` -> close frame
    first_speech: Range = (0.3, 0.75)  # setup -> greeting heard (2.3)
    speech: Range = (0.25, 0.48)  # first text -> agentSpeaking on (2.3)
    amd: Range = (2.0, 6.0)  # answer -> verdict (10.8)
    amd_sync_human: Range = (2.0, 5.0)  # 6.1
    reaction: Range = (0.5, 1.2)  # a person's pause before answering
    characters_per_second: Range = (17.0, 22.0)  # the agent's voice (10.6)
    final_prompt: float = 0.35  # last partial -> final prompt (2.3)
    partial: float = 0.25  # between partial prompts (2.3)
    digits: float = 2.0  # sendDigits to the far end when idle (2.4)
    patience: float = 15.0  # a person hangs up after so much silence of the agent
    goodbye: float = 6.0  # a person hangs up so long after a goodbye
    machine_recording: float = 60.0  # an answering machine records so long
    transfer_ring: float = 3.0  # a <Dial> target picks up
    transfer_talk: float = 20.0  # and talks
    queue_taken: float = 15.0  # a person in a queue is taken
    price: float = 20.0  # end -> price on the resource


@dataclass(slots=True)
class Faults:
    """What goes wrong. Rates are probabilities from 0 to 1, drawn per call from the seed.

    May be changed while the simulator runs (`sim.faults`, POST /simulator/faults).
    """

    # Callbacks (status, machine detection, recording; never the TwiML fetch or the action).
    callback_loss: float = 0.0
    callback_duplicate: float = 0.0
    callback_late: float = 0.0
    callback_late_seconds: float = 30.0
    callback_reorder: float = 0.0
    # REST, on creates; with rest_all also on every other request.
    rest_429: float = 0.0
    rest_retry_after: float = 0.0  # seconds in a Retry-After header; 0 sends none
    rest_5xx_before: float = 0.0  # refused: nothing was accepted
    rest_5xx_after: float = 0.0  # the call was accepted all the same
    rest_drop_before: float = 0.0  # connection closed, nothing accepted
    rest_drop_after: float = 0.0  # connection closed, call accepted
    rest_hang: float = 0.0  # call accepted, no answer for rest_hang_seconds, then closed
    rest_hang_seconds: float = 60.0
    rest_late_accept: float = 0.0  # no answer; the call is accepted rest_late_seconds after
    rest_late_seconds: float = 30.0
    rest_cut_body: float = 0.0  # 201 whose body breaks off
    rest_no_sid: float = 0.0  # 201 without a sid
    rest_slow: float = 0.0
    rest_slow_seconds: float = 3.0
    rest_all: bool = False
    list_lag_seconds: float = 0.0  # a call appears in lists only so long after its create
    # Lookup.
    lookup_429: float = 0.0
    lookup_5xx: float = 0.0
    lookup_hang: float = 0.0  # no answer for rest_hang_seconds, then closed
    lookup_not_enabled: float = 0.0  # per number and package: 60606 within the answer
    lookup_provider: float = 0.0  # per number and package: 60608 within the answer
    # The relay.
    relay_malformed: float = 0.0  # per session: a frame that is not JSON and one of an unknown type
    relay_drop: float = 0.0  # per call: the first socket is cut in mid-sentence, without a close frame
    relay_unreachable: float = 0.0  # per session: the socket can't be opened (64102)

    def update(self, changes: Mapping[str, Any]) -> None:
        """Set the named faults. Raises ValueError for an unknown name or a value of another kind."""
        known = {item.name: item for item in dataclasses.fields(self)}
        for name, value in changes.items():
            if name not in known:
                raise ValueError(f"no fault is called {name!r}; known: {', '.join(sorted(known))}")
            if isinstance(getattr(self, name), bool):
                if not isinstance(value, bool):
                    raise ValueError(f"{name} takes true or false, not {value!r}")
            elif isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
                raise ValueError(f"{name} takes a number from 0 up, not {value!r}")
            elif not name.endswith(("_seconds", "_after")) and value > 1:
                raise ValueError(f"{name} is a probability from 0 to 1, not {value!r}")
        for name, value in changes.items():
            setattr(self, name, value if isinstance(value, bool) else float(value))


DEFAULT_WEIGHTS: Mapping[str, float] = {
    "interested": 22,
    "not_interested": 14,
    "do_not_call": 4,
    "wants_human": 4,
    "interrupter": 5,
    "rambler": 4,
    "keypresser": 3,
    "silent": 3,
    "callback_asker": 5,
    "wrong_number": 3,
    "voicemail": 14,
    "busy": 6,
    "no_answer": 9,
    "bad_number": 2,
    "failed": 2,
}
"""A mix as a sales list gives it; parts of 100."""


@dataclass(frozen=True)
class SimulatorConfig:
    """One simulated Twilio.

    `calls_per_second` is the account's CPS: calls above it are accepted and queued (TWILIO 4.1).
    `max_calls` is the account's concurrency; a call above it fails with debugger code 10004.
    `caller_ids` None means that the account owns every well-formed number; else only these, and
    any other From is refused with 21210. `people` maps a number to a persona and wins over
    `by_digits` (the last two digits choose, see `people.BY_DIGITS`) and over `weights`.
    `lines` and `owners` say what Lookup tells of a number: a line type, and yes, no or
    no_data_available for a new owner; else seed and number decide.
    `cut_numbers`: their first socket is cut in mid-sentence. `transfer` maps a <Dial> target to
    its DialCallStatus, or to "declined": it answers and doesn't take the call; a workflow of an
    <Enqueue> to "left": nobody takes the person, or to another QueueResult, which comes at once.
    Unnamed targets and workflows take the call. `voice_urls`: what a call to a number of the account
    asks for; may grow while running. `routes` maps a public host to host:port on this
    machine, as a TLS-terminating proxy would. `redirect_fires_action` chooses whether a REST
    redirect in mid-session fires the session's action, which nobody has measured (TWILIO 1.4).
    `network_floor`: real seconds below which no network budget falls on a fast clock; the person's
    patience has `patience_floor` the same way.
    """

    host: str = "127.0.0.1"
    port: int = 0
    account_sid: str = ACCOUNT_SID
    auth_token: str = AUTH_TOKEN
    api_key: str = API_KEY
    api_secret: str = API_SECRET
    calls_per_second: float = 1.0
    max_calls: int | None = None
    caller_ids: tuple[str, ...] | None = None
    seed: int = 1
    people: Mapping[str, str] = field(default_factory=dict)
    by_digits: bool = False
    weights: Mapping[str, float] = field(default_factory=lambda: dict(DEFAULT_WEIGHTS))
    cut_numbers: frozenset[str] = frozenset()
    lines: Mapping[str, str] = field(default_factory=dict)
    owners: Mapping[str, str] = field(default_factory=dict)
    transfer: Mapping[str, str] = field(default_factory=dict)
    voice_urls: Mapping[str, str] = field(default_factory=dict)
    routes: Mapping[str, str] = field(default_factory=dict)
    redirect_fires_action: bool = False
    stir_status: str = "C"
    price_per_minute: float = 0.014
    clock_start: datetime | None = None
    clock_rate: float = 1.0
    clock_anchor: float | None = None
    network_floor: float = 5.0
    patience_floor: float = 2.0
    timings: Timings = field(default_factory=Timings)
    faults: Faults = field(default_factory=Faults)


def chance(seed: int, *key: object) -> float:
    """A number from 0 to 1 that depends on the seed and the key alone, not on the order of events."""
    digest = sha256(":".join(str(part) for part in (seed, *key)).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def dice(seed: int, *key: object) -> Random:
    """Dice that depend on the seed and the key alone."""
    return Random(":".join(str(part) for part in (seed, *key)))
