"""A model's server that answers at once and keeps what it was asked; OpenAI-compatible."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from campaign.agent.llm import LlmAgent, Profile
from campaign.domain.clock import Clock


class Chat:
    """Answers each request with the next reply, and with the last one for ever after.

    `replies`: a text to speak; a mapping, as arguments of the tool that was offered first; a pair (tool,
    arguments); an int, as the HTTP status of a refusal.
    """

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.replies: list[Any] = ["Okay."]
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        self.asked.append(asked)
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if isinstance(reply, int):
            return web.json_response({"error": {"message": "no"}}, status=reply)
        message: dict[str, Any] = {"content": reply if isinstance(reply, str) else None}
        if not isinstance(reply, str):
            offered = asked["tools"][0]["function"]["name"] if isinstance(reply, dict) else reply[0]
            arguments = json.dumps(reply if isinstance(reply, dict) else reply[1])
            message["tool_calls"] = [
                {"index": 0, "id": "call_1", "function": {"name": offered, "arguments": arguments}}
            ]
        body = {"choices": [{"message": message, "finish_reason": "stop"}]}
        return web.json_response(body)

    def system(self, number: int = -1) -> str:
        """The system text of a request."""
        return str(self.asked[number]["messages"][0]["content"])

    def others(self, number: int = -1) -> list[dict[str, Any]]:
        """All other messages of a request."""
        return list(self.asked[number]["messages"][1:])


@asynccontextmanager
async def chat_server() -> AsyncIterator[Chat]:
    """A running one, on a free port of this machine."""
    one = Chat()
    app = web.Application()
    app.router.add_post("/v1/chat/completions", one.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    one.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    try:
        yield one
    finally:
        await runner.cleanup()


@asynccontextmanager
async def chat_agent(chat: Chat, clock: Clock) -> AsyncIterator[LlmAgent]:
    """The real client of such a server."""
    agent = LlmAgent(Profile("clever", chat.url, "small"), clock)
    try:
        yield agent
    finally:
        await agent.close()
