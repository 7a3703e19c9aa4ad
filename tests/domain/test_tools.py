"""What an agent may call, and what its calls mean."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.domain.dialogue import ToolRequest
from campaign.domain.disposition import Disposition
from campaign.domain.script import Script
from campaign.domain.tools import (
    DoNotCall,
    EndCall,
    RecordAnswer,
    Refusal,
    ScheduleCallback,
    Transfer,
    meaning,
    specs,
)

NEW_YORK = ZoneInfo("America/New_York")
NOW = datetime(2026, 11, 24, 10, 0, tzinfo=NEW_YORK)
SCRIPT = msgspec.convert(
    {
        "greeting": "Hi.", "goal": "Talk.",
        "questions": [
            {"key": "plan", "ask": "Which plan?", "kind": "choice", "choices": ["Basic", "Premium"]},
            {"key": "people", "ask": "How many?", "kind": "number"},
            {"key": "again", "ask": "Again?", "kind": "yes_no"},
            {"key": "moved", "ask": "When?", "kind": "date"},
            {"key": "name", "ask": "Your name?"},
        ],
        "transfers": {"sales": {"to": "+12125550199", "name": "sales"}},
    },
    Script,
)  # fmt: skip


def means(name: str, raw: str | None = None, **arguments: Any) -> Any:
    given_ = raw if raw is not None else msgspec.json.encode(arguments).decode()
    return meaning(SCRIPT, ToolRequest("1", name, given_), NOW)


def answer(question: str, value: Any) -> Any:
    return means("record_answer", question=question, value=value)


@pytest.mark.parametrize(
    ("question", "value", "kept"),
    [
        ("plan", "premium", "Premium"), ("people", "forty", 40), ("people", 12, 12),
        ("people", "1,200", 1200),
        ("again", "yes", True), ("again", False, False), ("again", "true", True),
        ("moved", "2026-12-01", "2026-12-01"),
        ("moved", "tomorrow", "2026-11-25"), ("name", "  Ada\nLovelace ", "Ada Lovelace"),
    ],
)  # fmt: skip
def test_answers_are_typed_by_their_question(question: str, value: Any, kept: Any) -> None:
    assert answer(question, value) == RecordAnswer(question, kept)


@pytest.mark.parametrize(
    ("question", "value"),
    [("plan", "gold"), ("people", "many"), ("again", "maybe"), ("moved", "whenever"), ("name", ""),
        ("x", "1"), ("plan", None)],
)  # fmt: skip
def test_what_is_no_answer_is_refused_in_words(question: str, value: Any) -> None:
    assert isinstance(answer(question, value), Refusal)


def test_the_other_tools() -> None:
    assert means("end_call", reason="interested") == EndCall(Disposition.INTERESTED)
    assert means("end_call", reason="because") == EndCall(Disposition.COMPLETED)
    assert means("do_not_call", quote="leave me be") == DoNotCall("leave me be")
    assert means("transfer", to="sales") == Transfer("sales")


@pytest.mark.parametrize("to", ["+12125550199", "sip:a@b", "support", ""])
def test_a_transfer_goes_only_to_the_campaigns_own_targets(to: str) -> None:
    assert isinstance(means("transfer", to=to), Refusal)


@pytest.mark.parametrize(
    ("when", "at"),
    [
        ("2026-11-25T15:00", datetime(2026, 11, 25, 15, tzinfo=NEW_YORK)),
        ("tomorrow at three", datetime(2026, 11, 25, 15, tzinfo=NEW_YORK)),
        ("2026-11-25T06:00", None), ("2026-11-25T21:00", None), ("2026-11-20T10:00", None),
        ("2027-11-20T10:00", None),
        ("later", None), ("", None),
    ],
)  # fmt: skip
def test_a_callback_is_in_the_future_and_at_a_decent_hour(when: str, at: datetime | None) -> None:
    meant = means("schedule_callback", when=when)
    assert meant == ScheduleCallback(at) if at else isinstance(meant, Refusal)


@pytest.mark.parametrize("raw", ["", "{", "[]", '"x"', "null"])
def test_broken_arguments_never_break_anything(raw: str) -> None:
    for name in ("record_answer", "transfer", "schedule_callback", "nonsense"):
        assert isinstance(means(name, raw), Refusal)


@given(st.text(max_size=20), st.text(max_size=60))
def test_any_call_means_something(name: str, raw: str) -> None:
    meaning(SCRIPT, ToolRequest("1", name, raw), NOW)


def test_schemas_name_only_keys_of_the_campaign() -> None:
    found: dict[str, Any] = {spec.name: spec.parameters for spec in specs(SCRIPT)}
    assert set(found) == {"end_call", "do_not_call", "schedule_callback", "record_answer", "transfer"}
    assert found["transfer"]["properties"]["to"]["enum"] == ["sales"]
    assert found["record_answer"]["properties"]["question"]["enum"] == [one.key for one in SCRIPT.questions]
    assert "+1212" not in msgspec.json.encode(found).decode()


def test_tools_with_nothing_to_name_are_left_out() -> None:
    bare = msgspec.convert({"greeting": "Hi.", "goal": "Talk."}, Script)
    assert {spec.name for spec in specs(bare)} == {"end_call", "do_not_call", "schedule_callback"}
