"""The answer to Twilio's `<Connect action>` request: what becomes of a call whose session has ended.

Twilio asks it whenever a ConversationRelay session ends. SessionStatus is `ended` when we sent `end` (our
handoff comes back), `completed` when the person hung up or the call was completed through REST, `failed`
when the socket broke (64105), could not be opened (64102) or Twilio had a fault of its own. While
CallStatus is `in-progress` the answer decides; afterwards it is moot.
"""

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias, assert_never

import msgspec

from campaign.domain import script as scripts
from campaign.domain.script import Script

MOST_RESUMES: Final = 3
"""A broken server must not loop for ever at the person's cost."""
HANDED_OVER: Final = "handed over to another process"
"""Why a call is taken up after a planned end of its session."""
CONFIGURATION_FAULTS: Final = frozenset({64101, 64106})
"""Wrong voice, language or provider: a new session would fail the same way."""
REFUSED_SESSIONS: Final = frozenset({64104, 64109})
"""Longest call reached; too many sessions at once: a new session isn't to be had."""


class Resume(msgspec.Struct, frozen=True):
    """A new session in the same call, with the saved transcript."""


class Transfer(msgspec.Struct, frozen=True):
    """Hand the call over to the script's target of that key."""

    key: str


class Voicemail(msgspec.Struct, frozen=True):
    """Say this message to the machine, then hang up."""

    text: str


class Goodbye(msgspec.Struct, frozen=True):
    """Say this, then hang up."""

    text: str


class HangUp(msgspec.Struct, frozen=True):
    pass


Recovery: TypeAlias = Resume | Transfer | Voicemail | Goodbye | HangUp

ANSWERS: Final[dict[type[Recovery], Literal["resume", "transfer", "voicemail", "goodbye", "hang_up"]]] = {
    Resume: "resume",
    Transfer: "transfer",
    Voicemail: "voicemail",
    Goodbye: "goodbye",
    HangUp: "hang_up",
}
"""The word under which each is stored."""


def handoff(data: str | None) -> dict[str, str]:
    """Our own handoff as it came back, string values only; empty when there is none or it isn't ours."""
    if not data:
        return {}
    try:
        found = msgspec.json.decode(data)
    except msgspec.DecodeError:
        return {}
    if not isinstance(found, dict):
        return {}
    return {str(key): value for key, value in found.items() if isinstance(value, str)}


def answer(
    *,
    session_status: str,
    error_code: int | None,
    call_status: str,
    given: Mapping[str, str],
    resumes_so_far: int,
    script: Script,
    values: Mapping[str, str],
    voicemail: Literal["hang_up", "leave_message"] = "hang_up",
    answered_by: str | None = None,
    opted_out: bool = False,
    concluded: bool = False,
) -> tuple[Recovery, str]:
    """Decide what the call does next.

    Args:
        session_status: Twilio's SessionStatus: ended, completed or failed; anything else counts as failed.
        error_code: Twilio's ErrorCode, if any.
        call_status: Twilio's CallStatus in this request.
        given: our handoff (`handoff(HandoffData)`).
        resumes_so_far: sessions of this call that were themselves resumptions.
        script: the campaign's script, for words and targets.
        values: variables for those words.
        voicemail: what to do with a machine; a message needs the end of its greeting detected, and
            whether one may be left at all is decided by the caller from the rules.
        answered_by: the machine detection's verdict, if it is known from elsewhere; None where the
            campaign talks to machines.
        opted_out: the person asked not to be called again in this call.
        concluded: the conversation had already reached its end (last words, disposition).

    Returns:
        The answer, and why, as a phrase for the record.
    """
    own = scripts.lines(script)
    if call_status and call_status != "in-progress":
        return HangUp(), f"the call is {call_status}"
    if opted_out:
        return HangUp(), "the person asked not to be called"
    verdict = given.get("answered_by") or answered_by or ""
    if verdict.startswith("machine") or verdict == "fax":
        return _machine(verdict, script, values, voicemail)
    if session_status == "completed":
        return HangUp(), "the person hung up"
    if session_status == "ended":
        return _ended(given, script, values, resumes_so_far)
    why = f"the session failed{f' with {error_code}' if error_code else ''}"
    if concluded:
        return HangUp(), f"{why} after the last words"
    if error_code in CONFIGURATION_FAULTS:
        return _goodbye(own.trouble_goodbye, values), f"{why}, a fault of configuration"
    if error_code in REFUSED_SESSIONS:
        return _goodbye(own.trouble_goodbye, values), f"{why}, no new session is to be had"
    if resumes_so_far >= MOST_RESUMES:
        return _goodbye(own.trouble_goodbye, values), f"{why} and was resumed {resumes_so_far} times"
    return Resume(), why


def _machine(
    verdict: str, script: Script, values: Mapping[str, str], voicemail: Literal["hang_up", "leave_message"]
) -> tuple[Recovery, str]:
    match voicemail:
        case "hang_up":
            return HangUp(), f"answered by {verdict}"
        case "leave_message":
            message = scripts.render(script.voicemail, values)
            # Only machine_end_* says that the machine's own greeting is over and it is recording.
            if verdict.startswith("machine_end") and message:
                return Voicemail(message), f"answered by {verdict}"
            return HangUp(), f"answered by {verdict}, no message can be left"
        case _:
            assert_never(voicemail)


def _ended(
    given: Mapping[str, str], script: Script, values: Mapping[str, str], resumes_so_far: int
) -> tuple[Recovery, str]:
    reason = given.get("reason", "")
    if reason == "transfer":
        target = script.transfers.get(given.get("target", ""))
        if target is not None:
            return Transfer(given["target"]), f"transfer to {given['target']}"
        text = scripts.lines(script).transfer_failed
        return _goodbye(text, values), "the transfer's target is unknown"
    if reason == "handover":
        # A planned hand-over is our own doing, but a process that restarts for ever is bounded as well.
        if resumes_so_far < 2 * MOST_RESUMES:
            return Resume(), HANDED_OVER
        return _goodbye(scripts.lines(script).trouble_goodbye, values), "handed over too often"
    return HangUp(), f"ended: {reason or 'no reason given'}"


def _goodbye(line: str, values: Mapping[str, str]) -> Goodbye:
    return Goodbye(scripts.render(line, values))


def after_transfer(
    taken: bool, transfers_so_far: int, resumes_so_far: int, script: Script, values: Mapping[str, str]
) -> tuple[Recovery, str]:
    """What follows a hand-over: nothing when it was taken; else the agent comes back, once.

    Args:
        taken: whether a human took the call.
        transfers_so_far: hand-overs of this call before this one, none of them taken.
        resumes_so_far: sessions of this call that were themselves resumptions.
        script: the campaign's script.
        values: variables for its words.
    """
    if taken:
        return HangUp(), "the transfer was taken"
    if transfers_so_far or resumes_so_far >= 2 * MOST_RESUMES:
        return _goodbye(scripts.lines(script).transfer_failed, values), "no transfer was taken"
    return Resume(), "nobody took the transfer"
