"""What a carrier calls things stands in telephony/ alone, so that another carrier is a file there."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import campaign
from campaign.telephony import webhooks

PACKAGE = Path(campaign.__file__).parent
THEIRS = ("telephony", "simulator")
"""Where a carrier's words may stand; the simulator is the carrier."""
FIELDS = frozenset(
    {name for names in webhooks.REQUIRED.values() for name in names}
    | {
        "AccountSid", "CallSid", "ParentCallSid", "ErrorCode", "ErrorMessage", "HandoffData",
        "SequenceNumber", "Timestamp", "SipResponseCode", "CallDuration", "MachineDetectionDuration",
        "DialCallSid", "DialBridged", "QueueSid", "SessionDuration", "SpeechResult", "RecordingDuration",
        "X-Twilio-Signature",
    }
) - {"From", "To"}  # fmt: skip
"""Names that nothing but a carrier uses; `From` and `To` are words as well."""
TAGS = re.compile(r"<(Response|Connect|Dial|Say|Hangup|Gather|Enqueue|Redirect|ConversationRelay)\b[^>]*/?>")


def strings(tree: ast.AST) -> Iterator[ast.Constant]:
    """All string literals that are no documentation."""
    documentation = {
        id(one.value)
        for one in ast.walk(tree)
        if isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant)
    }
    for one in ast.walk(tree):
        if isinstance(one, ast.Constant) and isinstance(one.value, str) and id(one) not in documentation:
            yield one


def test_no_field_of_a_carriers_forms_is_named_outside_telephony() -> None:
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        place = path.relative_to(PACKAGE)
        if place.parts[0] in THEIRS:
            continue
        for literal in strings(ast.parse(path.read_text())):
            words = set(re.findall(r"[A-Za-z-]+", str(literal.value)))
            found += [f"{place}:{literal.lineno} {word}" for word in sorted(words & FIELDS)]
            if str(literal.value).lstrip().startswith("<") and TAGS.search(str(literal.value)):
                found.append(f"{place}:{literal.lineno} TwiML")
    assert found == []


@pytest.mark.parametrize("floor", ["domain", "store", "agent"])
def test_the_floors_beside_and_below_do_not_know_telephony(floor: str) -> None:
    for path in (PACKAGE / floor).rglob("*.py"):
        assert "campaign.telephony" not in path.read_text(), path


def test_the_test_would_notice() -> None:
    tree = ast.parse(
        '"""CallSid in words."""\nx = form["CallSid"]\ny = f"SELECT payload ->> \'CallStatus\'"\n'
    )
    assert [set(re.findall(r"[A-Za-z-]+", str(one.value))) & FIELDS for one in strings(tree)] == [
        {"CallSid"},
        {"CallStatus"},
    ]
