"""What of a model's text is spoken, and what becomes of tool calls that are written in it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.agent.mending import mend
from campaign.agent.spoken import SpokenOnly

NAMES = ("end_call", "do_not_call", "record_answer", "schedule_callback", "transfer")
ENDS = '{"reason": "completed"}'
INNER = json.dumps({"name": "end_call", "arguments": ENDS})


def heard(text: str, size: int = 10_000) -> tuple[str, list[tuple[str, object]]]:
    """What is spoken and what is called, when the text comes in pieces of that size."""
    only = SpokenOnly(NAMES)
    spoken = "".join(only.take(text[n : n + size]) for n in range(0, len(text), size))
    rest, called = only.end()
    return spoken + rest, [(one.name, json.loads(one.arguments)) for one in called]


@pytest.mark.parametrize("size", [1, 3, 10_000])
@pytest.mark.parametrize(
    "text",
    [
        f'[TOOL_CALLS] [{{"name": "end_call", "arguments": {ENDS}}}]',
        f"[TOOL_CALLS]end_call[ARGS]{ENDS}",
        f'<tool_call>{{"name": "end_call", "arguments": {ENDS}}}</tool_call>',
        "<tool_call><function=end_call><parameter=reason>\ncompleted\n</parameter></function></tool_call>",
        f"<function=end_call>{ENDS}</function>",
        f'<|python_tag|>{{"name": "end_call", "parameters": {ENDS}}}',
        f"<|channel|>commentary to=functions.end_call <|message|>{ENDS}<|call|>",
        f"<｜tool▁calls▁begin｜>function<｜tool▁sep｜>end_call\n```json\n{ENDS}\n```",
        '<invoke name="end_call"><parameter name="reason">completed</parameter></invoke>',
        f'```json\n{{"name": "end_call", "parameters": {ENDS}}}\n```',
        f'{{"name": "end_call", "arguments": {ENDS}}}',
        f'{{"tool": "end_call", "args": {ENDS}}}',
        f'{{"type": "function", "function": {INNER}}}',
        f'{{"tool_calls": [{{"function": {INNER}}}]}}',
        f"functions.end_call({ENDS})",
        'end_call(reason="completed")',
        "[end_call(reason='completed')]",
    ],
)
def test_a_tool_call_written_as_text_is_mended_and_never_spoken(text: str, size: int) -> None:
    assert heard("Bye. " + text, size) == ("Bye. ", [("end_call", {"reason": "completed"})])


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("<think>secret</think>Hi. <tool_call>{oops", "Hi. "),
        ("[THINK]secret[/THINK]Hi.", "Hi."),
        ("Hi. {'no': 'tool'}", "Hi. "),
        ("I will end the record of transfer calls.", "I will end the record of transfer calls."),
        ("Dear {first_name}, [laughs] (really) a < b", "Dear {first_name}, [laughs] (really) a < b"),
        ("Bye. *end_call*", "Bye. *"),
        ("thoughts of before</think> Hi.", "thoughts of before Hi."),
    ],
)
def test_what_is_no_speech_is_dropped_and_what_is_stays(text: str, spoken: str) -> None:
    for size in (1, 3, 10_000):
        assert heard(text, size) == (spoken, [])


@pytest.mark.parametrize(
    ("given", "mended"),
    [
        ("", {}), ("null", {}), ("nonsense", {}), ("{}", {}), ('{"a": 1}', {"a": 1}),
        ('{"a": "b"', {"a": "b"}), ('{"a": "b",}', {"a": "b"}), ("{'a': True}", {"a": True}),
        ('"{\\"a\\": \\"b\\"}"', {"a": "b"}), ('{"a":1}{"a":1}', {"a": 1}), ('[{"a": 1}]', {"a": 1}),
        ('```json\n{"a": 1}\n```', {"a": 1}), ('{"a": {"b": "c"', {"a": {"b": "c"}}),
        # Half a value may be another one: it is dropped.
        ('{"when": "2026-12-0', {}), ('{"question": "people", "value": 4', {"question": "people"}),
    ],
)  # fmt: skip
def test_arguments_are_mended_in_form_and_never_in_substance(given: str, mended: object) -> None:
    assert json.loads(mend(given)) == mended


@given(st.text(max_size=60) | st.text(alphabet='{}[]":,ab1\\ ', max_size=60))
def test_whatever_the_arguments_an_object_comes_out(given: str) -> None:
    assert isinstance(json.loads(mend(given)), dict)


MARKED = st.text(alphabet='ab<>[]{}"name`|think/TOOL_CALLS ', max_size=80)
THOUGHTFUL = st.lists(
    st.sampled_from(["<think>", "</think>", "a b", "<", "[", "`", "end_call", "end", "_", "do", " ", "{"]),
    max_size=9,
).map("".join)


@given(MARKED | THOUGHTFUL, st.integers(1, 9))
def test_speech_is_the_same_however_it_is_cut(text: str, size: int) -> None:
    assert heard(text, size) == heard(text)
