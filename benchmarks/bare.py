"""The limit for a turn: a FastAPI handler that streams a model's tokens by aiohttp and stores nothing.

    python -m benchmarks.bare MODEL_URL

No signature, no history, no rules: what the frameworks themselves cost. The address is printed; the end of
standard input ends the process.
"""

import asyncio
import json
import socket
import sys

import aiohttp
import uvicorn
from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from uvicorn.loops.auto import auto_loop_factory

app = FastAPI()


@app.websocket("/twilio/relay/{token}")
async def relay(socket: WebSocket, token: str) -> None:
    """Answer every prompt with the model's tokens."""
    await socket.accept()
    session: aiohttp.ClientSession = app.state.session
    try:
        while True:
            frame = json.loads(await socket.receive_text())
            if frame["type"] != "prompt":
                continue
            body = {
                "model": "stub",
                "stream": True,
                "messages": [{"role": "user", "content": frame["voicePrompt"]}],
            }
            async with session.post(app.state.model + "/chat/completions", json=body) as answer:
                async for line in answer.content:
                    if not line.startswith(b"data: {"):
                        continue
                    choice = json.loads(line[6:])["choices"][0]
                    said, last = choice["delta"].get("content", ""), bool(choice["finish_reason"])
                    await socket.send_text(json.dumps({"type": "text", "token": said, "last": last}))
    except WebSocketDisconnect:
        return


async def main(model: str) -> None:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    app.state.model = model
    app.state.session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
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
    await app.state.session.close()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=auto_loop_factory()) as runner:
        runner.run(main(sys.argv[1]))
