"""What becomes of a call whose session has ended."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.domain.recovery import (
    ANSWERS,
    MOST_RESUMES,
    Goodbye,
    HangUp,
    Resume,
    Transfer,
    Voicemail,
    after_transfer,
    answer,
    handoff,
)
from campaign.domain.script import Script

SCRIPT = msgspec.convert(
    {
        "greeting": "Hi.",
        "goal": "Talk.",
        "voicemail": "Hello {{ first_name | there }}, please call us back.",
        "transfers": {"sales": {"to": "+12125550199", "name": "sales"}},
    },
    Script,
)
SORRY = "I'm sorry, I'm having technical trouble. Thank you for your patience. Goodbye."
NOBODY = "I'm sorry, nobody is free right now. Thank you for your patience. Goodbye."


def asked(**given: Any) -> Any:
    facts: dict[str, Any] = {
        "session_status": "failed",
        "error_code": 64105,
        "call_status": "in-progress",
        "given": {},
        "resumes_so_far": 0,
        "script": SCRIPT,
        "values": {"first_name": "Ada"},
    }
    return answer(**{**facts, **given})[0]


ENDED = {"session_status": "ended", "error_code": None}

CASES: list[tuple[str, dict[str, Any], Any]] = [
    ("our socket dropped", {}, Resume()),
    ("it could not be opened", {"error_code": 64102}, Resume()),
    ("a fault of Twilio's", {"error_code": 64103}, Resume()),
    ("an unknown code", {"error_code": 64999}, Resume()),
    ("no code at all", {"error_code": None}, Resume()),
    ("an unknown status", {"session_status": "", "error_code": None}, Resume()),
    ("dropped for the third time", {"resumes_so_far": MOST_RESUMES - 1}, Resume()),
    ("dropped too often", {"resumes_so_far": MOST_RESUMES}, Goodbye(SORRY)),
    ("a wrong voice", {"error_code": 64101}, Goodbye(SORRY)),
    ("a wrong argument", {"error_code": 64106}, Goodbye(SORRY)),
    ("the longest call", {"error_code": 64104}, Goodbye(SORRY)),
    ("too many sessions", {"error_code": 64109}, Goodbye(SORRY)),
    ("the person hung up", {"session_status": "completed", "error_code": None}, HangUp()),
    ("the call is over", {"call_status": "completed"}, HangUp()),
    ("the call failed", {"call_status": "failed"}, HangUp()),
    ("they opted out and the line dropped", {"opted_out": True}, HangUp()),
    ("it dropped after the last words", {"concluded": True}, HangUp()),
    ("we ended it", {**ENDED, "given": {"reason": "ended"}}, HangUp()),
    ("we ended it without saying why", ENDED, HangUp()),
    ("a transfer", {**ENDED, "given": {"reason": "transfer", "target": "sales"}}, Transfer("sales")),
    ("a transfer to nowhere", {**ENDED, "given": {"reason": "transfer", "target": "x"}}, Goodbye(NOBODY)),
    ("a hand-over", {**ENDED, "given": {"reason": "handover"}}, Resume()),
    ("a hand-over after failures", {**ENDED, "given": {"reason": "handover"}, "resumes_so_far": 4}, Resume()),
    ("hand-overs for ever", {**ENDED, "given": {"reason": "handover"}, "resumes_so_far": 6}, Goodbye(SORRY)),
    ("a machine", {**ENDED, "given": {"reason": "machine", "answered_by": "machine_start"}}, HangUp()),
    (
        "a machine that records",
        {**ENDED, "given": {"answered_by": "machine_end_beep"}, "voicemail": "leave_message"},
        Voicemail("Hello Ada, please call us back."),
    ),
    (
        "a machine that is still speaking",
        {**ENDED, "given": {"answered_by": "machine_start"}, "voicemail": "leave_message"},
        HangUp(),
    ),
    ("a machine we know of from elsewhere", {"answered_by": "machine_end_other"}, HangUp()),
    ("a fax", {"answered_by": "fax", "voicemail": "leave_message"}, HangUp()),
    ("a person", {"answered_by": "human"}, Resume()),
]  # fmt: skip


@pytest.mark.parametrize(("given", "chosen"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_each_end_has_its_answer(given: dict[str, Any], chosen: Any) -> None:
    assert asked(**given) == chosen


def test_without_a_message_no_machine_is_spoken_to() -> None:
    silent = msgspec.structs.replace(SCRIPT, voicemail="")
    assert asked(script=silent, answered_by="machine_end_beep", voicemail="leave_message") == HangUp()


@given(
    st.sampled_from(["ended", "completed", "failed", "odd"]),
    st.one_of(st.none(), st.integers(64100, 64115)),
    st.sampled_from(["in-progress", "completed", ""]),
    st.dictionaries(st.sampled_from(["reason", "target", "answered_by"]), st.text(max_size=12)),
    st.integers(0, 50),
    st.booleans(),
)
def test_resumes_are_bounded_whatever_comes(
    status: str, code: int | None, call: str, given_: dict[str, str], resumes: int, opted_out: bool
) -> None:
    chosen, why = answer(
        session_status=status, error_code=code, call_status=call, given=given_, resumes_so_far=resumes,
        script=SCRIPT, values={}, opted_out=opted_out,
    )  # fmt: skip
    assert why
    assert type(chosen) in ANSWERS
    if resumes >= 2 * MOST_RESUMES or opted_out:
        assert not isinstance(chosen, Resume)


@pytest.mark.parametrize(
    ("data", "read"),
    [
        ('{"reason":"ended","attempt":"m"}', {"reason": "ended", "attempt": "m"}),
        ('{"reason":1}', {}), ("[]", {}), ("not json", {}), ("", {}), (None, {}),
    ],
)  # fmt: skip
def test_only_our_own_handoff_is_read(data: str | None, read: dict[str, str]) -> None:
    assert handoff(data) == read


@pytest.mark.parametrize(
    ("taken", "transfers", "resumes", "chosen"),
    [
        (True, 0, 0, HangUp()),
        (False, 0, 0, Resume()),
        (False, 0, MOST_RESUMES, Resume()),
        (False, 1, 1, Goodbye(NOBODY)),
        (False, 0, 2 * MOST_RESUMES, Goodbye(NOBODY)),
    ],
)
def test_when_nobody_takes_a_transfer_the_agent_comes_back_once(
    taken: bool, transfers: int, resumes: int, chosen: Any
) -> None:
    assert after_transfer(taken, transfers, resumes, SCRIPT, {})[0] == chosen
