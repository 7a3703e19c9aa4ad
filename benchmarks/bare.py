"""The limits for a turn and for a webhook: what the frameworks themselves cost.

    python -m benchmarks.bare MODEL_URL [DATABASE_URL]

A turn: a FastAPI handler that streams a model's tokens by aiohttp; no signature, no history, no rules,
nothing stored. A webhook: a FastAPI handler that checks the signature and writes one row. The address is
printed; the end of standard input ends the process.
"""

import asyncio
import json
import socket
import sys
from urllib.parse import parse_qsl

import aiohttp
import uvicorn
from fastapi import FastAPI, Request, Response, WebSocket, WebSocketDisconnect
from sqlalchemy import text
from twilio.request_validator import RequestValidator
from uvicorn.loops.auto import auto_loop_factory

from campaign.store.database import Database

PUBLIC_URL = "http://127.0.0.1:8080"
SECRET = "0" * 32
KEEP = text("INSERT INTO bare_events (marker, body) VALUES (:marker, :body)")

app = FastAPI()
validator = RequestValidator(SECRET)


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


@app.post("/twilio/{path:path}")
async def webhook(request: Request, path: str) -> Response:
    """Write every signed form as it came."""
    body = await request.body()
    form = dict(parse_qsl(body.decode(), keep_blank_values=True))
    url = f"{PUBLIC_URL}/twilio/{path}"
    if not validator.validate(url, form, request.headers["X-Twilio-Signature"]):
        return Response(status_code=403)
    db: Database = app.state.db
    async with db.transaction() as tx:
        await tx.execute(KEEP, {"marker": path, "body": json.dumps(form)})
    return Response(status_code=204)


async def main(model: str, database: str | None = None) -> None:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    app.state.model = model
    app.state.db = Database(database) if database else None
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
    if database:
        await app.state.db.close()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=auto_loop_factory()) as runner:
        runner.run(main(*sys.argv[1:]))
