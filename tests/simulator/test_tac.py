"""Twilio's own SDK for voice agents as the app: what it accepts from real Twilio it accepts from us."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvicorn
from fastapi import FastAPI
from tac import TAC
from tac.channels.voice import VoiceChannel
from tac.core.analytics import _reset_analytics
from tac.core.config import TACConfig
from tac.models.outbound import CallOptions, InitiateVoiceConversationOptions
from tac.models.voice import AmdEvent, CallStatusEvent
from tac.server import TACFastAPIServer
from tac.server.config import TACServerConfig

from campaign.simulator import ACCOUNT_SID, API_KEY, API_SECRET, AUTH_TOKEN
from tests.simulator.service import PERSON, US, rig

DOMAIN = "agent.example"


@asynccontextmanager
async def serving(app: FastAPI) -> AsyncIterator[str]:
    """The app on a free loopback port; yields host:port."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        server = uvicorn.Server(
            uvicorn.Config(app, log_level="error", lifespan="off", ws="websockets-sansio")
        )
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await task


async def test_twilios_own_agent_sdk_holds_a_conversation_without_an_error(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("TAC_ANALYTICS_DISABLED", "true")
    _reset_analytics()
    tac = TAC(
        TACConfig(
            account_sid=ACCOUNT_SID,
            auth_token=AUTH_TOKEN,
            api_key=API_KEY,
            api_secret=API_SECRET,
            phone_number=US,
            voice_public_domain=DOMAIN,
        )
    )
    channel = VoiceChannel(tac)
    heard: list[str] = []
    statuses: list[str | None] = []
    verdicts: list[str | None] = []
    replies = iter(("Would you like a demo?", "Wonderful. Goodbye!"))

    async def on_message(message: str, context: object, memory: object) -> str | None:
        heard.append(message)
        if message.startswith(("Hello", "Hi", "Yes?")):
            return None
        return next(replies, None)

    async def on_status(event: CallStatusEvent) -> None:
        statuses.append(event.call_status)

    async def on_amd(event: AmdEvent) -> None:
        verdicts.append(event.answered_by)

    tac.on_message_ready(on_message)
    channel.on_call_status(on_status)
    channel.on_amd(on_amd)
    server = TACFastAPIServer(tac, voice_channel=channel, config=TACServerConfig())
    routes: dict[str, str] = {}
    async with serving(server.app) as address, rig(routes=routes, clock_rate=20) as made:
        routes[DOMAIN] = address
        channel._twilio_client = made.client  # the SDK has no option for another base URL
        result = await channel.initiate_outbound_conversation(
            InitiateVoiceConversationOptions(
                to=PERSON,
                call_options=CallOptions(
                    machine_detection="Enable",
                    async_amd=True,
                    status_callback_event=["initiated", "ringing", "answered", "completed"],
                ),
            )
        )
        call = await made.finish()
        assert made.simulator.debugger == []
        assert {delivery.status for delivery in made.simulator.deliveries} == {200}
    assert call.sid == result.call_sid
    assert call.status == "completed"
    assert statuses == ["initiated", "ringing", "in-progress", "completed"]
    assert verdicts == ["human"]
    assert "Yes, that sounds good." in heard
    assert "Goodbye!" in call.heard
    assert channel._conversations == {}  # it holds nothing for the call any more
    assert [record for record in caplog.records if record.levelname in ("ERROR", "WARNING")] == []
