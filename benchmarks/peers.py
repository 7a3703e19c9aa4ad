"""What others run on ConversationRelay, in a process of its own.

    python -m benchmarks.peers sdk|aiohttp|quickstart MODEL_URL

The vendor's Python framework, twilio-agent-connect: `sdk` is the example of its README, the answer of the
openai library, whole. `aiohttp` is the best that the framework allows: a session manager, so that an
interruption is read while it answers, and the model's tokens streamed by aiohttp as in bare.py. Without a
conversation configuration (relay only), telemetry off. `quickstart` is what most begin with: a FastAPI
handler that streams by the openai library. The address is printed; the end of standard input ends the
process.
"""

import asyncio
import json
import logging
import os
import socket
import sys
from collections.abc import AsyncGenerator
from typing import Any

import aiohttp
import uvicorn
from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from tac import TAC
from tac.channels.voice import VoiceChannel
from tac.core.config import TACConfig
from tac.server import TACFastAPIServer
from tac.server.config import TACServerConfig
from tac.session.thread_safe import ThreadSafeSessionManager
from uvicorn.loops.auto import auto_loop_factory

from benchmarks.place import ACCOUNT, SECRET

INSTRUCTIONS = "You are a customer service agent. Keep responses short and conversational."


def tac() -> TAC:
    """As small as it can be set up."""
    os.environ["TAC_ANALYTICS_DISABLED"] = "true"
    return TAC(
        TACConfig(
            account_sid=ACCOUNT,
            auth_token=SECRET,
            api_key="SK" + "0" * 32,
            api_secret=SECRET,
            phone_number="+12025550142",
            voice_public_domain="127.0.0.1",
        )
    )


def answers_whole(model: str) -> Any:
    """The README's callback."""
    from openai import AsyncOpenAI  # only this row needs it: an extra group of pyproject.toml

    client = AsyncOpenAI(api_key="none", base_url=model)
    histories: dict[str, list[dict[str, str]]] = {}

    async def answer(message: str, context: Any, memory: Any) -> str:
        history = histories.setdefault(context.conversation_id, [])
        history.append({"role": "user", "content": message})
        given: Any = history
        response = await client.responses.create(model="stub", instructions=INSTRUCTIONS, input=given)
        said: str = response.output_text
        history.append({"role": "assistant", "content": said})
        return said

    return answer


def answers_streamed(model: str, channel: VoiceChannel) -> Any:
    """Tokens as they come."""
    sessions: list[aiohttp.ClientSession] = []

    async def tokens(message: str) -> AsyncGenerator[str, None]:
        if not sessions:
            sessions.append(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)))
        body = {"model": "stub", "stream": True, "messages": [{"role": "user", "content": message}]}
        async with sessions[0].post(model + "/chat/completions", json=body) as answer:
            async for line in answer.content:
                if line.startswith(b"data: {"):
                    yield json.loads(line[6:])["choices"][0]["delta"].get("content", "")

    async def answer(message: str, context: Any, memory: Any) -> None:
        await channel.send_response(context.conversation_id, tokens(message))

    return answer


def framework(how: str, model: str) -> FastAPI:
    """The vendor's."""
    one = tac()
    manager = None if how == "sdk" else ThreadSafeSessionManager()
    channel = VoiceChannel(one, {"session_manager": manager})
    one.on_message_ready(answers_whole(model) if how == "sdk" else answers_streamed(model, channel))
    return TACFastAPIServer(one, voice_channel=channel, config=TACServerConfig()).app


def quickstart(model: str) -> FastAPI:
    """A handler of a few lines that keeps a history and streams."""
    from openai import AsyncOpenAI

    app = FastAPI()
    client = AsyncOpenAI(api_key="none", base_url=model)

    @app.websocket("/ws")
    async def talk(relay: WebSocket) -> None:
        await relay.accept()
        history: list[Any] = [{"role": "system", "content": INSTRUCTIONS}]
        try:
            async for text in relay.iter_text():
                frame = json.loads(text)
                if frame["type"] != "prompt":
                    continue
                history.append({"role": "user", "content": frame["voicePrompt"]})
                said = []
                async for piece in await client.chat.completions.create(
                    model="stub", messages=history, stream=True
                ):
                    token = piece.choices[0].delta.content or ""
                    said.append(token)
                    await relay.send_json({"type": "text", "token": token, "last": False})
                await relay.send_json({"type": "text", "token": "", "last": True})
                history.append({"role": "assistant", "content": "".join(said)})
        except WebSocketDisconnect:
            return

    return app


async def main(how: str, model: str) -> None:
    logging.disable(logging.WARNING)  # printing lines isn't what is measured
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    app = quickstart(model) if how == "quickstart" else framework(how, model)
    config = uvicorn.Config(
        app, log_config=None, access_log=False, ws="websockets-sansio", ws_per_message_deflate=False
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:  # noqa: ASYNC110 (uvicorn has no event for it)
        await asyncio.sleep(0.01)
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    server.should_exit = True
    await serving


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=auto_loop_factory()) as runner:
        runner.run(main(*sys.argv[1:]))
