"""Anthropic's Messages API, streamed.

Source: Anthropic's "Streaming messages" and "Messages" pages (API version 2023-06-01). A reply is a sequence
of content blocks: text, tool_use (its input comes as fragments of JSON), and thinking, which is never spoken.
`message_delta` brings the stop reason; `ping` may come at any time, `error` too (`overloaded_error`).
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from campaign.agent import prompt
from campaign.agent.history import Encoded, Run
from campaign.agent.profile import ANTHROPIC_TOKENS, Profile
from campaign.agent.protocol import AgentError, Context
from campaign.agent.stream import ReplyStream, words_of
from campaign.domain.dialogue import ToolSpec

PATH: Final = "/messages"
VERSION: Final = "2023-06-01"


def headers(profile: Profile) -> list[tuple[str, str]]:
    """What says who we are, and which version of the API is meant."""
    return [("x-api-key", profile.api_key), ("anthropic-version", VERSION)]


def begin(profile: Profile, tools: Sequence[ToolSpec], context: Context) -> Encoded:
    """The requests of a session, which all begin alike; the server is told that it may keep the beginning."""
    system = {"type": "text", "text": prompt.system(context), "cache_control": {"type": "ephemeral"}}
    fixed: dict[str, object] = {
        "model": profile.model,
        "max_tokens": profile.max_tokens or ANTHROPIC_TOKENS,
        "stream": True,
        "system": [system],
    }
    if tools:
        fixed["tools"] = [
            {"name": tool.name, "description": tool.description, "input_schema": tool.parameters}
            for tool in tools
        ]
    fixed |= profile.params
    opened = msgspec.json.encode({name: value for name, value in fixed.items() if value is not None})
    return Encoded(b'%s,"messages":[' % opened[:-1], b"]}", told)


def told(run: Run) -> list[dict[str, object]]:
    """A run as Anthropic takes it: neighbours of one role are one message to it, a tool's result is the
    user's and comes right after its call."""
    if not run.ours:
        return [{"role": "user", "content": run.said}]
    found: list[dict[str, object]] = []
    for place, entry in enumerate(run.entries):
        calls = run.calls(place)
        blocks: list[dict[str, object]] = []
        if entry.role == "agent" and entry.text.strip():
            blocks.append({"type": "text", "text": entry.text.strip()})
        for key, call, _ in calls:
            given = msgspec.Raw(call.arguments.encode())
            blocks.append({"type": "tool_use", "id": key, "name": call.name, "input": given})
        if blocks:
            found.append({"role": "assistant", "content": blocks})
        if calls:
            results = [
                {"type": "tool_result", "tool_use_id": key, "content": result} for key, _, result in calls
            ]
            found.append({"role": "user", "content": results})
    return found or [{"role": "assistant", "content": run.said}]


# ── what it answers ────────────────────────────────────────────────────────────────────────────────────


class _Part(msgspec.Struct):
    """A content block at its beginning, or more of it."""

    type: str = ""
    text: str | None = None
    id: str | None = None
    name: str | None = None
    input: dict[str, object] | None = None
    partial_json: str | None = None
    stop_reason: str | None = None


class _Event(msgspec.Struct):
    type: str = ""
    index: int | None = None
    content_block: _Part | None = None
    delta: _Part | None = None
    error: object = None
    content: list[_Part] | None = None
    stop_reason: str | None = None


_decode: Final = msgspec.json.Decoder(_Event).decode


class Stream(ReplyStream):
    """Events in, pieces out."""

    def words(self, payload: bytes) -> str:
        """Read one event, or a whole message; returns its text."""
        try:
            event = _decode(payload)
        except msgspec.DecodeError:
            return ""
        match event.type:
            case "content_block_delta":
                return self._more(event)
            case "content_block_start":
                return self._begins(event.content_block, event.index)
            case "message_delta":
                self._ends(event.delta.stop_reason if event.delta else None)
            case "error":
                raise AgentError(f"the model's server said: {words_of(event.error)}")
            case "message":
                text = "".join(self._begins(part, None) for part in event.content or ())
                self._ends(event.stop_reason)
                return text
        return ""

    def _begins(self, part: _Part | None, index: int | None) -> str:
        if part is None:
            return ""
        if part.type == "tool_use":
            call = self.new_call(index)
            call.id, call.name = part.id or "", part.name or ""
            if part.input:
                call.arguments = msgspec.json.encode(part.input).decode()
        return part.text or "" if part.type == "text" else ""

    def _more(self, event: _Event) -> str:
        delta = event.delta
        if delta is None:
            return ""
        if delta.type == "input_json_delta":
            for call in self.calls:
                if call.index == event.index:
                    call.arguments += delta.partial_json or ""
        return delta.text or "" if delta.type == "text_delta" else ""

    def _ends(self, why: str | None) -> None:
        if why == "refusal":
            raise AgentError("the model refused to go on")
        self.finished = why or self.finished
