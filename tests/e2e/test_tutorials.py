"""The tutorials' campaigns, each as its file and its page's settings, through the whole service."""

import asyncio
import contextlib
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from campaign.domain.campaign import parse_toml, to_json
from campaign.settings import parse_instant
from campaign.wiring import ServiceClock
from tests.support.dialing import running_campaign
from tests.support.house import ALWAYS, START, House, ask, until, wait_until_over, with_db
from tests.support.models import Answer, Dialect, Model, calls, http, model, says, streamed

pytestmark = pytest.mark.timeout(900)

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs/tutorials.md").read_text()
LONG = "Let me explain it in some detail, as there is a lot to say about it, and it is good to know. "
TUTORIALS = {
    "hosted-mistral": ("+12125550101", "interested"),
    "openai-reference": ("+12125550102", "interrupter"),
    "recovery": ("+12125550103", "interested_cut"),
}
"""File, the number that is called, and who answers."""


def settings() -> dict[str, str]:
    """All profiles of the page's settings, and no address, so that the test says where they are."""
    lines = [line for block in re.findall(r"```env\n(.*?)```", PAGE, re.DOTALL) for line in block.split()]
    found = [line.split("=", 1) for line in lines]
    profiles = ",".join(value for name, value in found if name == "LLM_PROFILES")
    return {**{name: value for name, value in found if name.startswith("LLM_")}, "LLM_PROFILES": profiles}


@contextlib.contextmanager
def models(**dialects: Dialect) -> Iterator[dict[str, Model]]:
    """A server for each profile, on a loop in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def opened() -> tuple[contextlib.AsyncExitStack, dict[str, Model]]:
        stack = contextlib.AsyncExitStack()
        return stack, {
            name: await stack.enter_async_context(model(dialect)) for name, dialect in dialects.items()
        }

    stack, servers = asyncio.run_coroutine_threadsafe(opened(), loop).result(10)
    for name, server in servers.items():
        dialect = dialects[name]
        bye = calls(dialect, "end_call", '{"reason": "completed"}', words="Wonderful, goodbye.")
        server.will(
            streamed(*says(dialect, LONG, "Shall we go on?")),
            streamed(*says(dialect, "And would Tuesday suit you?")),
            streamed(*bye),
        )
    try:
        yield servers
    finally:
        asyncio.run_coroutine_threadsafe(stack.aclose(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def begin(house: House, name: str, number: str) -> None:
    """The tutorial's campaign as its file says, for a list of one number."""
    text = (ROOT / f"docs/samples/tutorials/{name}.toml").read_text()
    sections = to_json(parse_toml(text, f"{name}.toml"))
    clock = ServiceClock(parse_instant(START), house.rate, house.anchor)
    own = {"lists", "schedule"}
    given = {key: value for key, value in sections.items() if key not in own}
    given["wrap_up"] = {"profile": "clerk"}
    first = int(number.removeprefix("+1212555"))
    with_db(house.db_url, lambda db: running_campaign(db, clock, 1, first=first, schedule=ALWAYS, **given))


def record(**what: Any) -> Answer:
    """A call's record, as a model writes it when it is asked for one."""
    tool = {"name": "wrap_up", "arguments": json.dumps({"answers": [], **what})}
    message = {"content": None, "tool_calls": [{"index": 0, "id": "call_1", "function": tool}]}
    body = json.dumps({"choices": [{"message": message, "finish_reason": "stop"}]}).encode()
    return http("200 OK", body, Content_Type="application/json")


def test_each_tutorial_is_a_file_and_some_settings(folder: Path, db_url: str) -> None:
    with models(nemo="chat", gpt="chat", any="chat", spare="anthropic", clerk="chat") as servers:
        given = settings()
        assert {*given["LLM_PROFILES"].split(","), "clerk"} == set(servers)
        given |= {"LLM_PROFILES": given["LLM_PROFILES"] + ",clerk", "LLM_CLERK_MODEL": "small"}
        given["LLM_CLERK_API_KEY"] = "sk-the-clerks"
        servers["clerk"].will(record(summary="They heard us out.", disposition="completed"))
        for name, server in servers.items():
            given[f"LLM_{name.upper()}_BASE_URL"] = server.url
            given[f"LLM_{name.upper()}_FIRST_TOKEN_SECONDS"] = "8"  # a busy machine is no slow model
        house = House(folder, db_url, rate=4.0, cps=10, more=given)
        people = [f"--person={number}={persona}" for number, persona in TUTORIALS.values()]
        with house.simulator(*people), house.service():
            for name, (number, _) in TUTORIALS.items():
                begin(house, name, number)
            wait_until_over(house, db_url, 200)
            written = "SELECT summary FROM outcomes WHERE summary = 'They heard us out.'"
            until(lambda: len(ask(db_url, written)) == len(TUTORIALS), 60, house.logs)
            heard = {call["to"]: call["heard"] for call in asyncio.run(house.twilio("calls"))["calls"]}
        log = house.log_of()

    told = {number: turns_of(db_url, number) for number, _ in TUTORIALS.values()}
    for text in heard.values():
        assert text.count("an AI assistant") == 1, (text, log[-2000:])
        assert "Wonderful, goodbye." in text, (text, log[-2000:])
    for name in ("nemo", "gpt", "any"):
        asked = servers[name].asked[-1]
        assert [one["role"] for one in asked["messages"]][:2] == ["system", "user"]
        assert len(servers[name].asked) >= 3
    assert servers["spare"].asked == []
    assert servers["gpt"].headers[0]["authorization"] == "Bearer sk-your-key"

    interrupted = [turn for turn in told["+12125550102"] if turn["interrupted"]]
    assert interrupted, told["+12125550102"]
    assert all(len(turn["text"]) < len(LONG) for turn in interrupted)
    assert "Shall we go on?" not in json.dumps(servers["gpt"].asked[1]["messages"])

    recovered = ask(db_url, "SELECT answer, became FROM recoveries WHERE session_status = 'failed'")
    assert [one["answer"] for one in recovered] == ["resume"]
    assert "Sorry, the line dropped for a moment." in heard["+12125550103"]
    assert heard["+12125550103"].count("may I ask you two questions") <= 1
    sessions = {turn["session_ordinal"] for turn in told["+12125550103"]}
    assert sessions == {1, 2}


def turns_of(url: str, number: str) -> list[dict[str, Any]]:
    """The transcript of the call to a number."""
    assert re.fullmatch(r"\+\d+", number)
    return ask(
        url,
        f"""SELECT t.text, t.interrupted, t.session_ordinal FROM conversation_turns t
              JOIN attempts a ON a.id = t.attempt_id WHERE a.phone = '{number}' ORDER BY t.seq""",
    )
