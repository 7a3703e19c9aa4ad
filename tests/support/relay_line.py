"""Twilio's end of a ConversationRelay socket, in memory, speaking as recorded on real calls."""

import asyncio
import json
from typing import Any


class Line:
    """A `talk.RelaySocket`: what a test says as Twilio goes in, what we send is kept.

    Args:
        hears: tell at once that each piece of speech was played, as a very fast voice.
    """

    def __init__(self, *, hears: bool = True) -> None:
        self.hears = hears
        self.sent: list[dict[str, Any]] = []
        self.close_code: int | None = None
        self._in: asyncio.Queue[str | None] = asyncio.Queue()
        self._news = asyncio.Event()
        self._chunk = ""

    # ── our side ───────────────────────────────────────────────────────────────────────────────────────

    async def receive(self) -> str | bytes | None:
        if self.close_code is not None:
            return None
        frame = await self._in.get()
        if frame is None:
            self.close_code = self.close_code or 1000
        return frame

    async def send(self, frame: str) -> None:
        if self.close_code is not None:
            return
        said = json.loads(frame)
        self.sent.append(said)
        self._news.set()
        if said["type"] == "text" and self.hears:
            self._chunk += said["token"]
            if said["last"] or said.get("interruptible") is False:
                self.played(self._chunk)
                self._chunk = ""
            if said["last"]:
                self.frame(type="info", name="agentSpeaking", value="off")
        if said["type"] == "end":
            self.hang_up()

    async def close(self, code: int) -> None:
        if self.close_code is None:
            self.close_code = code
            self._in.put_nowait(None)

    # ── Twilio's side ──────────────────────────────────────────────────────────────────────────────────

    def frame(self, **fields: Any) -> None:
        self._in.put_nowait(json.dumps(fields))

    def raw(self, text: str) -> None:
        self._in.put_nowait(text)

    def setup(self, call_sid: str, account_sid: str = "AC" + "0" * 32) -> None:
        self.frame(
            type="setup", sessionId="VX" + "1" * 32, callSid=call_sid, accountSid=account_sid,
            parentCallSid="", **{"from": "+12125550100"}, to="+12125550123", forwardedFrom="", callerName="",
            direction="outbound-api", callType="PSTN", callStatus="IN_PROGRESS", customParameters={},
        )  # fmt: skip

    def says(self, text: str, *, last: bool = True) -> None:
        self.frame(type="prompt", voicePrompt=text, lang="en", last=last)

    def played(self, text: str) -> None:
        self.frame(type="info", name="tokensPlayed", value=text)

    def quiet(self) -> None:
        """The person stopped speaking."""
        self.frame(type="info", name="clientSpeaking", value="off")

    def hang_up(self) -> None:
        self._in.put_nowait(None)

    # ── looking ────────────────────────────────────────────────────────────────────────────────────────

    @property
    def spoken(self) -> str:
        """All that we had spoken, joined."""
        return "".join(frame["token"] for frame in self.sent if frame["type"] == "text")

    @property
    def ended(self) -> dict[str, str] | None:
        """The handoff of our `end`, if we sent it."""
        ends = [frame for frame in self.sent if frame["type"] == "end"]
        return json.loads(ends[0]["handoffData"]) if ends else None

    async def until(self, text: str) -> None:
        """Wait until we said this."""
        while text not in self.spoken:
            self._news.clear()
            await asyncio.wait_for(self._news.wait(), 5)
