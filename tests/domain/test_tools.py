"""What an agent may call, and what its calls mean."""

import json
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaign.domain.calling_window import CallingWindow, WeeklyHours
from campaign.domain.dialogue import ToolRequest
from campaign.domain.disposition import Disposition
from campaign.domain.script import Script
from campaign.domain.tools import (
    DoNotCall,
    EndCall,
    PressKeys,
    RecordAnswer,
    Refusal,
    ScheduleCallback,
    SwitchLanguage,
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
        "menus": {"accounts": {"digits": "4w2#", "when": "accounts"}},
        "languages": {"es-MX": {}},
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
    assert means("send_digits", menu="accounts") == PressKeys("accounts")
    assert means("switch_language", to="es-MX") == SwitchLanguage("es-MX")


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


TOOLS = (
    "end_call", "do_not_call", "schedule_callback", "record_answer", "transfer", "send_digits",
    "switch_language", "place_call",
)  # fmt: skip
HOSTILE = st.one_of(
    st.sampled_from(
        [
            "+19005550100",
            "sip:mallory@example.com", "https://example.com/x", "911", "9", "sales ", "SALES",
            "accounts;9", "*" * 40, "plan\x00", "es-mx", "fr-FR",
            "../sales", "{{ phone }}", "tomorrow "
            "at three",
            "in 99999999999 hours", "in 9999 weeks", "9999-12-31T23:59", "2026-02-30T10:00", "1e999",
            "9" * 400,
            "nine hundred million million thousand", "\ud800",
        ]
    ),
    st.text(max_size=40),
)  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | HOSTILE,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
FIELDS = st.sampled_from(["reason", "quote", "question", "value", "when", "to", "menu", "phone", "url"])


def is_from_the_script(meant: object) -> bool:
    """Whether a call's meaning names nothing that the script doesn't list, and nothing unbounded."""
    match meant:
        case EndCall(reason):
            return isinstance(reason, Disposition)
        case DoNotCall(quote):
            return len(quote) <= 300
        case RecordAnswer(key, value):
            small = not isinstance(value, int | float) or abs(value) <= 1e15
            return small and key in [question.key for question in SCRIPT.questions] and len(str(value)) <= 500
        case ScheduleCallback(at):
            return NOW < at <= NOW + timedelta(days=60) and at.tzinfo is not None
        case Transfer(target):
            return target in SCRIPT.transfers
        case PressKeys(menu):
            return menu in SCRIPT.menus
        case SwitchLanguage(tag):
            return tag in ("en-US", "es-MX")
        case Refusal(why):
            return 0 < len(why) < 400
    return False


@settings(max_examples=400)
@given(st.sampled_from(TOOLS), st.dictionaries(FIELDS, VALUES, max_size=4))
def test_no_call_of_a_tool_ever_names_what_the_script_does_not(name: str, given_: dict[str, Any]) -> None:
    try:
        raw = json.dumps(given_)  # as models write it: NaN, Infinity and lone surrogates too
    except ValueError:
        return
    assert is_from_the_script(meaning(SCRIPT, ToolRequest("1", name, raw), NOW))


@given(st.sampled_from(TOOLS) | st.text(max_size=20), st.text(max_size=80))
def test_any_text_for_arguments_means_something(name: str, raw: str) -> None:
    assert is_from_the_script(meaning(SCRIPT, ToolRequest("1", name, raw), NOW))


@pytest.mark.parametrize(
    "raw",
    [
        "[" * 100_000, '{"to":' * 5_000, '{"value":' + "9" * 10_000 + ',"question":"people"}',
        '{"value":1e400,"question":"people"}', '{"value":NaN,"question":"people"}', '{"to":["sales"]}',
        '{"to":{"sales":1}}', '{"when":"' + "in " * 40_000 + '"}',
        '{"value":' + "9" * 400 + ',"question":"people"}',
    ],
)  # fmt: skip
def test_monstrous_arguments_are_refused(raw: str) -> None:
    for name in ("record_answer", "transfer", "send_digits", "schedule_callback"):
        assert isinstance(meaning(SCRIPT, ToolRequest("1", name, raw), NOW), Refusal)


# ── callbacks inside the rules ─────────────────────────────────────────────────────────────────────────

OFFICE = CallingWindow.over_zones(
    WeeklyHours.parse({"mon-fri": "09:00-12:00, 13:00-17:00"}),
    ("America/New_York",),
    (date(2026, 11, 26),),
)


@pytest.mark.parametrize(
    ("when", "at"),
    [
        ("2026-11-25T15:00", datetime(2026, 11, 25, 15, tzinfo=NEW_YORK)),
        ("2026-11-25T08:57", datetime(2026, 11, 25, 9, tzinfo=NEW_YORK)),
        ("2026-11-25T12:30", "Wednesday, November 25 at 13:00"),
        ("2026-11-25T19:00", "Friday, November 27 at 09:00"),
        ("2026-11-26T10:00", "Friday, November 27 at 09:00"),
        ("2026-11-28T10:00", "Monday, November 30 at 09:00"),
    ],
)
def test_a_callback_is_promised_only_when_the_rules_allow_it_and_else_the_next_time_is_told(
    when: str, at: datetime | str
) -> None:
    request = ToolRequest("1", "schedule_callback", json.dumps({"when": when}))
    meant = meaning(SCRIPT, request, NOW, OFFICE.next_open)
    if isinstance(at, str):
        assert isinstance(meant, Refusal)
        assert at in meant.why
    else:
        assert meant == ScheduleCallback(at)


def test_where_no_call_is_ever_allowed_none_is_promised() -> None:
    request = ToolRequest("1", "schedule_callback", '{"when": "2026-11-25T15:00"}')
    assert isinstance(meaning(SCRIPT, request, NOW, lambda at: None), Refusal)


@given(st.datetimes(datetime(2026, 11, 24, 11), datetime(2027, 1, 20)))
def test_every_promised_callback_lies_in_the_window(wall: datetime) -> None:
    request = ToolRequest("1", "schedule_callback", json.dumps({"when": f"{wall:%Y-%m-%dT%H:%M}"}))
    meant = meaning(SCRIPT, request, NOW, OFFICE.next_open)
    assert isinstance(meant, Refusal) or OFFICE.is_open(meant.at)


def test_schemas_name_only_keys_of_the_campaign() -> None:
    found: dict[str, Any] = {spec.name: spec.parameters for spec in specs(SCRIPT)}
    assert set(found) == {
        "end_call", "do_not_call", "schedule_callback", "record_answer", "transfer", "send_digits",
        "switch_language",
    }  # fmt: skip
    assert found["send_digits"]["properties"]["menu"]["enum"] == ["accounts"]
    assert found["switch_language"]["properties"]["to"]["enum"] == ["en-US", "es-MX"]
    assert found["transfer"]["properties"]["to"]["enum"] == ["sales"]
    assert found["record_answer"]["properties"]["question"]["enum"] == [one.key for one in SCRIPT.questions]
    told = msgspec.json.encode(found).decode()
    assert "+1212" not in told
    assert "4w2#" not in told


def test_tools_with_nothing_to_name_are_left_out() -> None:
    bare = msgspec.convert({"greeting": "Hi.", "goal": "Talk."}, Script)
    assert {spec.name for spec in specs(bare)} == {"end_call", "do_not_call", "schedule_callback"}
