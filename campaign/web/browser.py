"""What a browser sends, and whether it may be believed: host, origin, cookie, token, network address.

Cross-site requests are kept out three times over: the cookie is SameSite=Lax, an unsafe request must come
from one of our own origins, and it must carry a token that only our own pages know.
"""

import base64
import hmac
from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from campaign.domain.errors import NotAllowed, NotFound
from campaign.settings import Settings, is_loopback

COOKIE = "campaign_session"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
CSRF_FIELD = "csrf"
CSRF_HEADER = "X-CSRF-Token"
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")

CSP = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "media-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
"""Nothing is loaded but our own files, nothing inline runs, nobody may frame a page."""

PAGE_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": CSP,
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}


def origin_of(request: HTTPConnection, settings: Settings) -> str:
    """Our own origin as this browser sees it, e.g. `https://calls.example.com`.

    Only hosts that the settings name, and this machine's loopback addresses, are ours: a page of another
    name that leads here (DNS rebinding) or a forged Host header gets nothing.

    Raises:
        NotFound: the Host header names none of our addresses.
    """
    host = request.headers.get("host", "").lower()
    for url in settings.console_urls:
        parts = urlsplit(url)
        if host in _written(parts.scheme, parts.netloc.lower()):
            return f"{parts.scheme}://{host}"
    if is_loopback(f"http://{host}"):
        return f"http://{host}"
    raise NotFound(
        f"The console is not served at {host[:100]!r}.",
        "Open it at the address of CONSOLE_URL or PUBLIC_URL, or set CONSOLE_URL to the one you use.",
    )


def _written(scheme: str, netloc: str) -> tuple[str, ...]:
    """How a browser may write a host: the scheme's own port is left out or not."""
    port = ":443" if scheme == "https" else ":80"
    return (netloc, netloc.removesuffix(port), netloc if ":" in netloc.rpartition("]")[2] else netloc + port)


def require_own_origin(request: Request, settings: Settings) -> None:
    """Refuse an unsafe request that another site's page sends.

    Browsers name the origin of every POST; a client that names none can't be told from a forged one.

    Raises:
        NotAllowed: it comes from elsewhere, or doesn't say from where.
    """
    ours = origin_of(request, settings)
    origin = request.headers.get("origin", "").lower()
    scheme = "https://" if ours.startswith("https:") else "http://"
    same = origin in {scheme + host for host in _written(scheme[:-3], ours.partition("://")[2])}
    if not same:
        raise NotAllowed(
            "This request does not come from a page of this console.",
            f"Open {ours}/console and try again there; a proxy in front must pass the Host header on.",
        )


def cookie_name(origin: str) -> str:
    """The session cookie's name. `__Host-` makes browsers refuse one that another host or plain http set."""
    return "__Host-" + COOKIE if origin.startswith("https:") else COOKIE


def has_cookie(request: HTTPConnection) -> bool:
    """Whether a browser says that it is signed in."""
    return COOKIE in request.cookies or "__Host-" + COOKIE in request.cookies


def set_cookie(response: Response, origin: str, token: str) -> None:
    """Give a browser its session. It ends with the browser, or when it times out here."""
    response.set_cookie(
        cookie_name(origin),
        token,
        path="/",
        secure=origin.startswith("https:"),
        httponly=True,
        samesite="lax",
    )


def drop_cookie(response: Response, origin: str) -> None:
    """Take a browser's session away."""
    response.delete_cookie(
        cookie_name(origin), path="/", secure=origin.startswith("https:"), httponly=True, samesite="lax"
    )


def csrf_of(token: str) -> str:
    """The token of a session's pages: made from the cookie, which other sites' pages can't read."""
    made = hmac.digest(token.encode(), b"campaign: csrf", "sha256")
    return base64.urlsafe_b64encode(made).decode().rstrip("=")


async def require_csrf(request: Request, session: str) -> None:
    """Refuse an unsafe request without its session's token, in a header or a form's field.

    Raises:
        NotAllowed: it has none, or another one.
    """
    given = request.headers.get(CSRF_HEADER, "")
    if not given and request.headers.get("content-type", "").startswith(_FORMS):
        field = (await request.form()).get(CSRF_FIELD)
        given = field if isinstance(field, str) else ""
    if not hmac.compare_digest(given.encode(), csrf_of(session).encode()):
        raise NotAllowed(
            "The page from which you sent this is out of date.", "Go back, reload the page and send it again."
        )


def network_address(request: HTTPConnection, settings: Settings) -> str:
    """Where a request comes from: the nearest address that is not a proxy of ours."""
    nearest = request.client.host if request.client else ""
    forwarded = ",".join(request.headers.getlist("x-forwarded-for")).split(",")
    found = ""
    for hop in (nearest, *reversed(forwarded[-10:])):
        try:
            address = ip_address(hop.strip())
        except ValueError:
            break
        found = str(address)
        if not any(address in network for network in settings.proxies):
            break
    return found


def local_path(text: str | None, otherwise: str = "/console") -> str:
    """A path of ours that a page may lead on to; anything else, which may lead away, becomes `otherwise`."""
    if not text or not text.startswith("/console") or len(text) > 2000:
        return otherwise
    parts = urlsplit(text)
    steps = parts.path.split("/")
    fine = not parts.scheme and not parts.netloc and text.isprintable() and "\\" not in text
    return text if fine and steps[1] == "console" and ".." not in steps else otherwise
