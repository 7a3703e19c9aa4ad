"""OpenAI's chat completions, as OpenAI, Mistral, Groq, Hugging Face, vLLM and Ollama speak them.

The stream is read leniently (unknown fields, missing or repeated indexes, comments, whole answers instead of
streams, content as a list, reasoning beside the content, usage without choices) but its end strictly:
without a finish reason the reply has failed.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from campaign.agent import prompt
from campaign.agent.history import Encoded, Run
from campaign.agent.profile import VENDORS, Profile
from campaign.agent.protocol import AgentError, Context
from campaign.agent.stream import ReplyStream, words_of
from campaign.domain.dialogue import ToolSpec

PATH: Final = "/chat/completions"
_REFUSED: Final = frozenset({"error", "content_filter"})
"""Finish reasons of replies that are none."""


def headers(profile: Profile) -> list[tuple[str, str]]:
    """What says who we are."""
    return [("Authorization", f"Bearer {profile.api_key}")] if profile.api_key else []


def begin(profile: Profile, tools: Sequence[ToolSpec], context: Context) -> Encoded:
    """The requests of a session, which all begin alike."""
    fixed: dict[str, object] = {"model": profile.model, "stream": True}
    if tools:
        fixed["tools"] = [
            {
                "type": "function",
                "function": {
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": tool.parameters,
                },
            }
            for tool in tools
        ]
    if profile.max_tokens is not None:
        fixed[VENDORS[profile.kind].most_tokens] = profile.max_tokens
    fixed |= profile.params
    opened = msgspec.json.encode({name: value for name, value in fixed.items() if value is not None})
    system = msgspec.json.encode({"role": "system", "content": prompt.system(context)})
    return Encoded(b'%s,"messages":[%s,' % (opened[:-1], system), b"]}", told)


def told(run: Run) -> list[dict[str, object]]:
    """A run in the chat API's form.

    What was said beside tool calls stands after their results: Mistral refuses a user right after a tool,
    and its models' templates count user and assistant in turn.
    """
    if not run.ours:
        return [{"role": "user", "content": run.said}]
    found: list[dict[str, object]] = []
    beside = run.last and run.awaits_us
    lines: list[str] = []
    for place, entry in enumerate(run.entries):
        if entry.role == "agent" and entry.text:
            lines.append(entry.text)
        calls = run.calls(place)
        if not calls:
            continue
        asked = [
            {"id": key, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for key, call, _ in calls
        ]
        said = "\n".join(lines) if beside else ""
        lines = [] if beside else lines
        found.append({"role": "assistant", "content": said, "tool_calls": asked})
        found += [{"role": "tool", "tool_call_id": key, "content": result} for key, _, result in calls]
    if not (beside and found):
        found.append({"role": "assistant", "content": run.said})
    return found


# ── what it answers ────────────────────────────────────────────────────────────────────────────────────


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | dict[str, object] | None = None


class _ToolDelta(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _Delta(msgspec.Struct):
    content: str | list[dict[str, object]] | None = None
    tool_calls: list[_ToolDelta] | None = None


class _Choice(msgspec.Struct):
    delta: _Delta | None = None
    message: _Delta | None = None
    finish_reason: str | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] | None = None
    error: object = None


_decode: Final = msgspec.json.Decoder(_Chunk).decode


class Stream(ReplyStream):
    """Chunks in, pieces out."""

    def words(self, payload: bytes) -> str:
        """Read one chunk; returns its text."""
        if payload == b"[DONE]":
            return ""
        try:
            chunk = _decode(payload)
        except msgspec.DecodeError:
            return ""  # a vendor's own event, or garbage; what matters is whether a finish reason comes
        if not chunk.choices:
            if chunk.error is not None:
                raise AgentError(f"the model's server said: {words_of(chunk.error)}")
            return ""
        choice = chunk.choices[0]
        if choice.finish_reason:
            if choice.finish_reason in _REFUSED:
                raise AgentError(f"the model's server ended the reply: {choice.finish_reason}")
            self.finished = choice.finish_reason
        delta = choice.delta or choice.message
        if delta is None:
            return ""
        for call in delta.tool_calls or ():
            self._add(call)
        content = delta.content
        if isinstance(content, list):
            return "".join(str(part.get("text") or "") for part in content if part.get("type") == "text")
        return content or ""

    def _add(self, delta: _ToolDelta) -> None:
        """Fragments belong together by index; without one, a new id or name begins a new call. Under an index
        that is used already, a new id together with a name does."""
        function = delta.function or _Function()
        begins = not self.calls
        call = self.calls[-1] if self.calls else None
        if call is not None and delta.index is None:
            begins = bool((delta.id and delta.id != call.id) or function.name)
        elif call is not None:
            same = [one for one in self.calls if one.index == delta.index]
            begins = not same or bool(delta.id and delta.id != same[-1].id and function.name)
            call = same[-1] if same else call
        if begins or call is None:
            call = self.new_call(delta.index)
        call.id = call.id or delta.id or ""
        call.name = call.name or function.name or ""
        given = function.arguments
        if isinstance(given, dict):
            call.arguments += msgspec.json.encode(given).decode()
        elif given:
            call.arguments += given
