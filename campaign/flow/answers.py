"""What Twilio is told to do with a call, as data; the web layer renders it as TwiML.

All doors that Twilio asks answer with these: the TwiML fetch (flow/voice.py), what follows a session
(flow/action.py), hand-overs (flow/handover.py) and calls to us (flow/inbound.py).
"""

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from campaign.domain.campaign import CampaignDefinition
from campaign.domain.script import Script
from campaign.store import attempts, sessions
from campaign.store.attempts import AnotherCall, Attempt, Told
from campaign.store.database import Tx
from campaign.store.sessions import Around

Mint = Callable[[str, int], str]
"""(marker, ordinal of the session) → the single-use token of that session's socket."""


def token_mint(secret: bytes) -> Mint:
    """Tokens derived from a secret that all replicas share.

    Twilio asks the same question again when an answer was lost. A derived token makes the second answer equal
    the first, whichever replica gives it, so no valid token is ever voided; it is single-use because a
    session can be opened once. Should the secret change in between, the unopened session takes the new token.
    """

    def mint(marker: str, ordinal: int) -> str:
        made = hmac.digest(secret, f"session {ordinal} of {marker}".encode(), "sha256")
        return urlsafe_b64encode(made).rstrip(b"=").decode()

    return mint


@dataclass(frozen=True, slots=True)
class Converse:
    """Connect the call to a conversation.

    Args:
        ordinal: of the session: 1, and one more with each resumption.
        token: for the socket's path; single-use.
        script: language, voice, recording and the like stand in it.
    """

    attempt_id: int
    marker: str
    ordinal: int
    token: str
    script: Script


@dataclass(frozen=True, slots=True)
class SayAndHangUp:
    """Speak, then end the call.

    Args:
        why: do_not_call, window, voicemail or goodbye.
        language: BCP-47, `multi` or None.
    """

    text: str
    why: str
    language: str | None


@dataclass(frozen=True, slots=True)
class Transfer:
    """Put the person through.

    Args:
        to: E.164 or a `sip:` address, from the campaign.
        caller_id: what the target sees.
        marker, ordinal: for the addresses that are asked meanwhile and when the transfer is over.
        ring_s: seconds to ring.
        whisper: who answers hears a summary first.
    """

    to: str
    caller_id: str
    marker: str
    ordinal: int
    ring_s: int = 30
    whisper: bool = False


@dataclass(frozen=True, slots=True)
class Queue:
    """Put the person into a queue of humans.

    Args:
        workflow: SID of the TaskRouter workflow, from the campaign.
        task: the attributes that whoever takes it sees, as JSON.
        marker, ordinal: as in Transfer.
    """

    workflow: str
    task: str
    marker: str
    ordinal: int


@dataclass(frozen=True, slots=True)
class Whisper:
    """Tell a target, alone, whom it is about to talk to.

    Args:
        accept_key: who answered must press it; empty: no need.
        language: BCP-47, `multi` or None.
    """

    text: str
    accept_key: str
    marker: str
    ordinal: int
    language: str | None


@dataclass(frozen=True, slots=True)
class Wait:
    """A person goes on waiting in a queue, and hears this."""

    text: str
    language: str | None


@dataclass(frozen=True, slots=True)
class LeaveQueue:
    """A person has waited long enough."""


@dataclass(frozen=True, slots=True)
class PutTogether:
    """A target took the call: both sides are connected now."""


@dataclass(frozen=True, slots=True)
class Gather:
    """Say something to a caller and wait for a key or a word.

    Args:
        otherwise: said when nothing comes; then the call ends.
        number: a telephone number is keyed in, ended by #; else one key is pressed, or something said.
    """

    text: str
    otherwise: str
    marker: str
    language: str | None
    number: bool


@dataclass(frozen=True, slots=True)
class HangUp:
    """End the call without a word; `why` is for the log."""

    why: str


def spelled(e164: str) -> str:
    """A number's digits with spaces, so that a voice reads them one by one."""
    return " ".join(e164.removeprefix("+1") if e164.startswith("+1") else e164.removeprefix("+"))


async def spoken_values(tx: Tx, attempt: Attempt, definition: CampaignDefinition) -> Mapping[str, str]:
    """What the script's variables stand for on this call: the contact's columns and our own."""
    return with_own(await attempts.variables_of(tx, attempt), definition)


def with_own(variables: Mapping[str, str], definition: CampaignDefinition) -> Mapping[str, str]:
    """A contact's columns, and our own variables."""
    return {
        **variables,
        "agent_name": definition.script.agent_name,
        "seller_name": definition.seller.legal_name,
        "seller_phone": definition.seller.callback_number,
    }


async def resume(
    tx: Tx, attempt: Attempt, ordinal: int, definition: CampaignDefinition, now: datetime, mint: Mint
) -> Converse:
    """Go on with the conversation in a session of that ordinal."""
    token = mint(attempt.marker, ordinal)
    await sessions.expect(tx, attempt.id, ordinal, token, now)
    return Converse(attempt.id, attempt.marker, ordinal, token, definition.script)


def not_ours(
    attempt: Attempt | None, around: Around | None, ordinal: int, call_sid: str, now: datetime
) -> str:
    """Why the question is not about a session of ours; empty when it is."""
    if attempt is None or around is None:
        return "no attempt has this marker"
    if not call_sid:
        return "the request names no call"
    try:
        attempts.merged(attempt, Told(at=now, call_sid=call_sid), now)
    except AnotherCall as error:
        return str(error)
    if not around.expected:
        return f"attempt {attempt.id} has no session {ordinal}"
    return ""
