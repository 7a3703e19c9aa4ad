"""What a model is reached by, and what the makers of its server do differently."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias, get_args
from urllib.parse import urlsplit

from campaign.domain.dialogue import Patience

Kind: TypeAlias = Literal[
    "openai", "mistral", "groq", "huggingface", "vllm", "ollama", "anthropic", "compatible"
]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class Vendor:
    """How one kind of server differs.

    Args:
        base_url: where it is unless told otherwise; empty: it must be told.
        most_tokens: what the request calls the longest reply.
        needs_key: whether it refuses everybody without a key.
    """

    base_url: str
    most_tokens: str = "max_tokens"
    needs_key: bool = True


VENDORS: Final[Mapping[Kind, Vendor]] = {
    # OpenAI refuses max_tokens for its reasoning models; the others don't all know its new name.
    "openai": Vendor("https://api.openai.com/v1", "max_completion_tokens"),
    "mistral": Vendor("https://api.mistral.ai/v1"),
    "groq": Vendor("https://api.groq.com/openai/v1", "max_completion_tokens"),
    # The router of Hugging Face; an Inference Endpoint has an address of its own, which ends in /v1 too.
    "huggingface": Vendor("https://router.huggingface.co/v1"),
    "vllm": Vendor("http://127.0.0.1:8000/v1", needs_key=False),
    "ollama": Vendor("http://127.0.0.1:11434/v1", needs_key=False),
    "anthropic": Vendor("https://api.anthropic.com/v1"),
    "compatible": Vendor("", needs_key=False),
}
_HOSTS: Final[Mapping[str, Kind]] = {
    "api.openai.com": "openai",
    "api.mistral.ai": "mistral",
    "api.groq.com": "groq",
    "huggingface.co": "huggingface",
    "endpoints.huggingface.cloud": "huggingface",
    "api.anthropic.com": "anthropic",
}
ANTHROPIC_TOKENS: Final = 1024
"""Anthropic demands to be told the longest reply; a turn of ours is cut far earlier."""


def kind_of(base_url: str) -> Kind:
    """The kind of server behind an address, by its host; `compatible` when nothing tells."""
    host = urlsplit(base_url).hostname or ""
    for known, kind in _HOSTS.items():
        if host == known or host.endswith("." + known):
            return kind
    return "compatible"


def at_its_path(base_url: str, kind: str) -> str:
    """A base URL as people copy it, with the path that is meant: an endpoint's page shows its host alone, and
    examples show the whole address of the chat API."""
    url = base_url.strip().rstrip("/")
    for path in ("/chat/completions", "/messages"):
        url = url.removesuffix(path)
    bare = url and not urlsplit(url).path and kind != "compatible"
    return f"{url}/v1" if bare else url


@dataclass(frozen=True, slots=True)
class Profile:
    """A model to talk to.

    Args:
        name: as campaigns name it.
        base_url: up to and including the version, e.g. `https://api.mistral.ai/v1`.
        model: as the server names it.
        kind: who made the server.
        api_key: never shown.
        params: further members of the request, such as temperature; None takes one away.
        max_tokens: of a reply; None: as many as the server likes.
        patience: how long a conversation waits for its words.
        connect_seconds: for the name, the connection and TLS together.
    """

    name: str
    base_url: str
    model: str
    kind: Kind = "compatible"
    api_key: str = field(default="", repr=False)
    params: Mapping[str, object] = field(default_factory=dict)
    max_tokens: int | None = None
    patience: Patience = field(default_factory=Patience)
    connect_seconds: float = 3.0
