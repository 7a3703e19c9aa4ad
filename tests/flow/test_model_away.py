"""Whatever a model's server does: what the person hears, when, and that the call ends politely.

Over real sockets and on the virtual clock: where nothing is written in the column of seconds, the words come
without any time passing.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from campaign.agent.llm import LlmAgent, Profile
from tests.flow.test_talk import SCRIPT, House
from tests.flow.test_talk import house as house  # the fixture
from tests.support.models import (
    HEAD,
    Answer,
    Dialect,
    Model,
    Then,
    anthropic_end,
    calls,
    chunk,
    event,
    http,
    model,
    page,
    refusal,
    says,
    streamed,
)  # fmt: skip
from tests.support.relay_line import Line

WITHIN_S = 2.0
SCRIPTED = "Would you like a demo?"
OWN = "We can do that."
TROUBLE = "trouble"
MENDED = "How many people"
"""What comes after the model has recorded the answer to the question about a demo."""


@dataclass(frozen=True)
class Case:
    """One way to fail.

    Args:
        answers: of the server, the last one again and again.
        first: what is heard first.
        then: what is heard next, if more than the first words is owed to the person.
        after: clock seconds from the person's words to the first of ours, and from those to the next.
    """

    what: str
    answers: tuple[Answer, ...]
    first: str = SCRIPTED
    then: str = ""
    after: tuple[float, float] = (0, 0)
    dialect: Dialect = "chat"


def failing(dialect: Dialect) -> list[Case]:
    """What both dialects have in common."""

    def words(*said: str, finish: str | None = "stop") -> list[bytes]:
        return says(dialect, *said, finish=finish)

    cut_off = {"first": "Let me ", "then": SCRIPTED}
    recorded = ('{"question": "demo"', ', "value": "yes"}')
    asked = '{"question": "demo", "value": "yes"'
    common: list[Case] = [
        Case("stalls before the first byte", ([Then.STALL],), after=(1.5, 0)),
        Case("stalls after its headers", ([HEAD, Then.STALL],), after=(1.5, 0)),
        Case("stalls in mid-sentence", (streamed(*words("Let me ", finish=None), Then.STALL),),
             after=(0, 1.5), **cut_off),
        Case("is cut in mid-sentence", (streamed(*words("Let me ", finish=None), Then.CUT),), **cut_off),
        Case("gives no finish reason", (streamed(*words("Let me ", finish=None)),), **cut_off),
        Case("closes without an answer", ([Then.CUT],)),
        Case("speaks no HTTP", ([b"\x16\x03\x01 what?\r\n\r\n" * 3, Then.STALL],)),
        Case("sends garbage as events", (streamed(b"data: {nonsense\n\n", b"\xff\xfe\n\n"),)),
        Case("sends wrong JSON", (http("200 OK", b'{"choices": 3}', Content_Type="application/json"),)),
        Case("sends a web page", (page("200 OK"),)),
        Case("sends a web page as an error", (page("502 Bad Gateway"),)),
        Case("redirects", (http("302 Found", b"", Location="/elsewhere"),)),
        Case("refuses the key", (refusal("401 Unauthorized", "bad key"),)),
        Case("knows no such model", (refusal("404 Not Found", "no such model"),)),
        Case("is overrun", (refusal("429 Too Many Requests"),)),
        Case("asks for half a minute", (refusal("429 Too Many Requests", Retry_After="30"),)),
        Case("asks for a moment", (refusal("429 Too Many Requests", Retry_After="0.3"),
                                   streamed(*words(OWN))), first=OWN, after=(0.3, 0)),
        Case("fails", (refusal("500 Internal Server Error"),)),
        Case("is away for maintenance", (refusal("503 Service Unavailable"),)),
        Case("says nothing at all", (streamed(*words()),)),
        Case("calls a tool with arguments that are cut", (
            streamed(*calls(dialect, "record_answer", asked), ), streamed(*words(OWN))), first=OWN),
        Case("calls a tool with nonsense", (
            streamed(*calls(dialect, "record_answer", "oops {{{")), streamed(*words(OWN))), first=OWN),
        Case("only calls tools, for ever", (streamed(*calls(dialect, "record_answer", *recorded)),),
             first=MENDED),
        Case("writes a tool call as text", (
            streamed(*words("<tool_call>", '{"name": "record_answer", "arguments": ' + asked, "}}"),),
            streamed(*words(OWN))), first=OWN),
        Case("writes without end", (streamed(*words("and so on ", finish=None), Then.FOR_EVER),),
             first="and so on "),
    ]  # fmt: skip
    return [Case(c.what, c.answers, c.first, c.then, c.after, dialect) for c in common]


CHAT = [
    *failing("chat"),
    Case("repeats an index", (
        streamed(
            chunk(tool_calls=[{"index": 0, "id": "a", "function": {
                "name": "record_answer", "arguments": '{"question": "demo", "value": "yes"}'}}]),
            chunk(tool_calls=[{"index": 0, "id": "b", "function": {
                "name": "record_answer", "arguments": '{"question": "people", "value": 40}'}}]),
            chunk(None, "tool_calls")),
        streamed(*says("chat", OWN))), first=OWN),
    Case("sends its content as a list", (
        streamed(chunk([{"type": "thinking", "thinking": []}, {"type": "text", "text": OWN}], "stop")),),
        first=OWN),
    Case("reasons first", (
        streamed(chunk(None, reasoning_content="secret"), chunk("<think>secret</think>" + OWN, "stop")),),
        first=OWN),
    Case("says some words and an error at once", (
        streamed(b"".join([*says("chat", "Let me ", finish=None), event({"error": {"message": "no"}})])),)),
    Case("counts tokens without choices", (
        streamed(*says("chat", OWN)[:-1], event({"choices": [], "usage": {"total_tokens": 9}})),), first=OWN),
]  # fmt: skip
ANTHROPIC = [
    *failing("anthropic"),
    Case("is overloaded", (refusal("529 Overloaded", "overloaded_error"),), dialect="anthropic"),
    Case("is overloaded all at once", (
        streamed(b"".join([*says("anthropic", "Let me ", finish=None), event(
            {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, "error")])),),
        dialect="anthropic"),
    Case("thinks first", (
        streamed(
            event({"type": "content_block_start", "index": 0, "content_block": {"type": "thinking"}}),
            event({"type": "content_block_delta", "index": 0,
                   "delta": {"type": "thinking_delta", "thinking": "secret thoughts"}}),
            event({"type": "content_block_delta", "index": 0,
                   "delta": {"type": "signature_delta", "signature": "c2VjcmV0"}}),
            *says("anthropic", OWN)),), first=OWN, dialect="anthropic"),
    Case("refuses to go on", (streamed(*anthropic_end("refusal")),), dialect="anthropic"),
]  # fmt: skip


@pytest.fixture
async def stub(request: pytest.FixtureRequest) -> AsyncIterator[Model]:
    case: Case = request.param
    async with model(case.dialect) as one:
        one.will(*case.answers)
        yield one


async def hears(house: House, line: Line, stub: Model, text: str, after: float) -> None:
    """Wait for some words, which come so many clock seconds from now, and not sooner."""
    if after:
        before = line.spoken
        await stub.requests(1)
        await house.clock.advance(after - 0.05)
        assert line.spoken == before, "sooner than expected"
        await house.clock.advance(0.1)
    await line.until(text)


@pytest.mark.parametrize(
    ("case", "stub"),
    [pytest.param(case, case, id=f"{case.dialect}: {case.what}") for case in (*CHAT, *ANTHROPIC)],
    indirect=["stub"],
)
async def test_whatever_a_model_does_the_person_is_answered_in_time_and_the_call_ends_politely(
    house: House, case: Case, stub: Model
) -> None:
    agent = LlmAgent(
        Profile("clever", stub.url, "small", "anthropic" if case.dialect == "anthropic" else "compatible"),
        house.clock,
    )
    house.agents["clever"] = agent
    await house.call({**SCRIPT, "profiles": ["clever"]})
    line = Line()
    task = await house.start(line)
    await line.until("have a minute?")
    line.says("Yes.")
    await hears(house, line, stub, case.first, case.after[0])
    if case.then:
        await hears(house, line, stub, case.then, case.after[1])
        assert TROUBLE in line.spoken
    assert case.after[0] <= WITHIN_S
    assert case.after[1] <= WITHIN_S
    for never in ("secret", "tool_call", "record_answer", "question", "nonsense", "html", "One moment"):
        assert never not in line.spoken.replace(SCRIPTED, "")
    # From now on the server says nothing more: whatever it was, the scripted agent leads to the end.
    stub.will([Then.STALL])
    for _ in range(8):
        if "Goodbye" in line.spoken:
            break
        line.says("About forty, yes.")
        await house.clock.advance(1.6)
    await line.until("Goodbye")
    await asyncio.wait_for(task, 10)
    assert line.ended is not None
    assert line.ended["reason"] == "ended"
    await agent.close()
