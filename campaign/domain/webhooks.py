"""Webhooks that we send: which events there are, how they are signed, when they are tried again, whither not.

Signed by the Standard Webhooks specification (github.com/standard-webhooks/standard-webhooks): the headers
webhook-id, webhook-timestamp and webhook-signature; the signature is HMAC-SHA256 over "id.timestamp.body".
"""

import base64
import binascii
import hmac
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit

from campaign.domain.errors import BadInput

VERSION: Final = 1
"""Of the payload. Members are only added to a version; a receiver passes over those that it doesn't know."""
SECRET_MARK: Final = "whsec_"
SECRET_BYTES: Final = 32
PORTS: Final = (443, 8443)
"""Ports that may be called outside this machine: https's own, and its usual other one."""
ROTATION: Final = timedelta(days=1)
"""How long an old secret goes on to sign beside its successor."""
GIVE_UP: Final = timedelta(days=3)
"""An endpoint that has taken nothing for so long is switched off."""


class Event(StrEnum):
    """What an endpoint may be told of."""

    OUTCOME_RECORDED = "outcome.recorded"
    OUTCOME_UPDATED = "outcome.updated"
    CAMPAIGN_STATE = "campaign.state_changed"
    CAMPAIGN_PAUSED_ITSELF = "campaign.paused_itself"
    CAMPAIGN_IDLE = "campaign.idle"
    IMPORT_ENDED = "import.ended"
    OPT_OUT = "opt_out.recorded"
    WEBHOOK_DISABLED = "webhook.disabled"
    TEST = "webhook.test"


_RETRIES: Final = (
    timedelta(seconds=5),
    timedelta(seconds=30),
    timedelta(minutes=2),
    timedelta(minutes=10),
    timedelta(minutes=30),
    timedelta(hours=1),
    timedelta(hours=3),
    timedelta(hours=6),
    timedelta(hours=12),
    timedelta(hours=24),
    timedelta(hours=24),
)
JITTER: Final = 0.2
TRIES: Final = len(_RETRIES) + 1


def retry_after(tries: int, dice: float) -> timedelta | None:
    """How long to wait after a failure; None: it has been tried for three days, give up.

    Args:
        tries: made so far, from 1.
        dice: from 0 to 1, so that endpoints that failed together don't come back together.
    """
    if tries > len(_RETRIES):
        return None
    return _RETRIES[tries - 1] * (1 + JITTER * (2 * dice - 1))


def secret_from(random_bytes: bytes) -> str:
    """A secret as users see it: `whsec_` and base64.

    Args:
        random_bytes: SECRET_BYTES of them.
    """
    assert len(random_bytes) == SECRET_BYTES
    return SECRET_MARK + base64.b64encode(random_bytes).decode()


def key_of(secret: str) -> bytes:
    """The bytes that sign.

    Raises:
        BadInput: it is none.
    """
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_MARK), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(SECRET_MARK) or not 24 <= len(key) <= 64:
        raise BadInput("A webhook's secret is whsec_ and 24 to 64 bytes in base64.")
    return key


def headers(message_id: str, at: datetime, body: bytes, secrets: Sequence[str]) -> dict[str, str]:
    """The three headers of a signed message.

    Args:
        message_id: the same at every try, so that a receiver knows a message that it has had.
        at: of this try; receivers refuse old ones.
        secrets: while one takes another's place, both sign.
    """
    timestamp = str(int(at.timestamp()))
    signed = f"{message_id}.{timestamp}.".encode() + body
    signatures = (base64.b64encode(hmac.digest(key_of(one), signed, "sha256")).decode() for one in secrets)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }


# ── whither not ────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Target:
    """Where an endpoint is: scheme, host, port, and the path with its query."""

    scheme: str
    host: str
    port: int
    path: str


def target_of(url: str, *, loopback: bool) -> Target:
    """Read and judge an endpoint's address.

    Args:
        loopback: plain http to this machine, on any port, will do: the service's Twilio is a simulator.

    Raises:
        BadInput: with what is wrong with it.
    """
    example = "It looks like https://crm.example.com/hooks/calls."
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise BadInput("The endpoint's address is no URL.", example) from None
    host = parts.hostname or ""
    if not host or not url.isprintable() or " " in url or len(url) > 2000:
        raise BadInput("The endpoint's address is no URL.", example)
    if parts.username or parts.password or parts.fragment:
        raise BadInput("The endpoint's address must have no user, password or fragment.", example)
    ours = loopback and (host == "localhost" or _is_loopback(host))
    if parts.scheme != "https" and not (parts.scheme == "http" and ours):
        raise BadInput("The endpoint's address must begin with https://.", example)
    port = port or (443 if parts.scheme == "https" else 80)
    if port not in PORTS and not ours:
        raise BadInput(f"Port {port} is not called; only {', '.join(map(str, PORTS))} are.", example)
    if not ours and _literal(host) is not None and (why := forbidden(host)):
        raise BadInput(f"The endpoint's address is {why}.", "Name a host of the public internet.")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, host, port, path)


def _literal(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None


def _is_loopback(address: str) -> bool:
    found = _literal(address)
    return found is not None and found.is_loopback


_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")


def forbidden(address: str, *, loopback: bool = False) -> str:
    """Why an address that a name has resolved to must not be called; empty: it may.

    Only addresses of the public internet are called: no machine of the own network and no cloud's metadata
    service (169.254.169.254) can be reached through a webhook. An IPv4 address inside an IPv6 one counts.

    Args:
        loopback: this machine may be called.
    """
    found = _literal(address)
    if found is None:
        return f"no address ({address})"
    inner: ipaddress.IPv4Address | ipaddress.IPv6Address | None = None
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if found in _NAT64:
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
    for one in (found, inner):
        if one is None:
            continue
        if one.is_loopback and loopback:
            return ""
        if one is found and inner is not None and found.version == 6 and found in _NAT64:
            continue  # its own range is not the question
        if not one.is_global or one.is_multicast or one.is_reserved or one.is_unspecified:
            return f"{one}, which is not on the public internet"
    return ""
