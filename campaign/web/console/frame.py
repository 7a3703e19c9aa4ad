"""How a page is made: who looks at it (`Seen`), the page itself (`page`), what follows a form (`go_on`).

Every page of the console is a template below templates/console that extends `frame.html`; a part of a page
that htmx asks for is a template without a frame.
"""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, unquote, urlencode
from zoneinfo import ZoneInfo

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, FileSystemBytecodeCache, PackageLoader, StrictUndefined

from campaign.domain import waiting
from campaign.domain.place import Place
from campaign.store import halts, users
from campaign.store.accounts import Role
from campaign.store.users import User
from campaign.web import browser, static_files
from campaign.web.auth import Session, may, session_of
from campaign.web.console import nav, words
from campaign.web.deps import With
from campaign.wiring import Services

HSTS = "max-age=31536000"
_TEMPLATES = Path(__file__).parents[1] / "templates"


@dataclass(frozen=True, slots=True)
class Stopped:
    """That all dialling is stopped: since when, by whom, why."""

    at: datetime
    by: str
    why: str


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks at a page, and what every page needs to know.

    Args:
        session: None on pages that need no sign-in.
        zone: the browser's time zone.
        theme: light or dark as chosen; empty: as the system has it.
        stopped: None while dialling is allowed.
        messages: kind (success, failure, info) and text, shown once.
    """

    session: Session | None
    now: datetime
    zone: ZoneInfo
    theme: str
    stopped: Stopped | None
    messages: tuple[Mapping[str, str], ...]

    @property
    def user(self) -> User:
        """Who is signed in."""
        assert self.session is not None
        return self.session.user

    @property
    def actor(self) -> str:
        """Who acts, for the audit trail."""
        return self.user.actor

    @property
    def csrf(self) -> str:
        """The token that each form and each unsafe request carries."""
        return browser.csrf_of(self.session.token) if self.session else ""

    def may(self, method: str, path: str) -> bool:
        """Whether the viewer's role opens a door."""
        return self.session is not None and may(self.session.user.role, method, path)


async def _seen(request: Request, services: With) -> Viewer:
    session = await session_of(request, services)
    async with services.db.connection() as tx:
        stopped = await halts.stop_all(tx)
    messages = tuple(session.sign_in.flash)
    if messages and request.method == "GET" and "hx-request" not in request.headers:
        async with services.db.transaction() as tx:
            await users.take_messages(tx, session.sign_in.id)
    return viewer_of(request, services, session, Stopped(*stopped) if stopped else None, messages)


def viewer_of(
    request: Request,
    services: Services,
    session: Session | None = None,
    stopped: Stopped | None = None,
    messages: tuple[Mapping[str, str], ...] = (),
) -> Viewer:
    """The viewer of a page, from what the browser's cookies say."""
    theme = request.cookies.get("theme", "")
    return Viewer(
        session=session,
        now=services.clock.now(),
        zone=words.zone_of(unquote(request.cookies.get("zone", ""))),
        theme=theme if theme in ("light", "dark") else "",
        stopped=stopped,
        messages=messages,
    )


Seen = Annotated[Viewer, Depends(_seen)]
"""Who looks, allowed to by the table of guards; also what guards a console's router."""
guard = Depends(_seen)


def query(params: Mapping[str, object], **changed: object) -> str:
    """`?a=b&…` of these parameters with some changed; None and empty ones are left out."""
    kept = {key: value for key, value in {**params, **changed}.items() if value not in (None, "")}
    return "?" + urlencode({key: str(value) for key, value in kept.items()}) if kept else "?"


def place_zones(key: str | None) -> tuple[str, ...]:
    """The zones of a place, from its key (domain/place.py)."""
    return Place.from_key(key).zones if key else ()


def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("campaign.web", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        bytecode_cache=_compiled_before(),
    )
    made.filters.update(
        number=words.number,
        percent=words.percent,
        money=words.money,
        duration=words.duration,
        phone=words.phone,
        tone=words.disposition_tone,
        disposition=words.disposition_words,
        as_json=words.as_json,
        browser=words.browser,
        why=waiting.words,
    )
    made.globals.update(
        static=static_files.address, query=query, Role=Role, hours_there=words.hours_there, zones=place_zones
    )
    return made


def _compiled_before() -> FileSystemBytecodeCache | None:
    """Compiled templates are kept beside them, as Python keeps its modules; None where that may not be."""
    folder = _TEMPLATES / "__pycache__"
    try:
        if not sys.dont_write_bytecode:
            folder.mkdir(exist_ok=True)
    except OSError:
        return None
    return FileSystemBytecodeCache(str(folder)) if os.access(folder, os.W_OK) else None


_pages = _environment()


def load_templates() -> None:
    """Have every template at hand; to compile them all takes 1.2 s."""
    for name in _pages.list_templates(extensions=["html"]):
        try:
            _pages.get_template(name)
        except OSError:  # a full disk: they are compiled, but not kept
            _pages.bytecode_cache = None
            _pages.get_template(name)


def page(
    request: Request, viewer: Viewer, template: str, /, status: int = 200, **context: Any
) -> HTMLResponse:
    """A page, or a part of one, from a template below templates/console.

    Every template has `request`, `viewer`, `path`, `nav`, and the functions `when(at, contact_zone=None)`,
    `ago(at)` and `local(sentence)` in the viewer's zone; see docs/console.md for the macros.
    """

    def when(at: datetime | None, contact_zone: str | None = None, *, seconds: bool = False) -> Any:
        return words.moment(at, viewer.zone, contact_zone, seconds=seconds)

    def ago(at: datetime | None) -> Any:
        return words.ago(at, viewer.now, viewer.zone)

    def local(sentence: str) -> Any:
        return words.localized(words.advice(sentence), viewer.now, viewer.zone)

    text = _pages.get_template(f"console/{template}").render(
        request=request,
        viewer=viewer,
        path=request.url.path,
        nav=nav.sections(viewer.user.role, request.url.path) if viewer.session else [],
        when=when,
        ago=ago,
        local=local,
        **context,
    )
    return HTMLResponse(text, status, headers=headers(viewer.session))


def headers(session: Session | None) -> dict[str, str]:
    """What every page tells browsers about itself."""
    found = dict(browser.PAGE_HEADERS)
    if session is not None and session.origin.startswith("https:"):
        found["Strict-Transport-Security"] = HSTS
    return found


async def go_on(
    services: Services,
    viewer: Viewer,
    to: str,
    said: str = "",
    *,
    kind: str = "success",
    request: Request | None = None,
) -> Response:
    """After a form: on to a page, which says what came of it.

    Args:
        to: a path of the console.
        said: a sentence for the top of that page.
        kind: success, info or failure.
        request: of htmx, which is told to go on instead of following silently.
    """
    if said and viewer.session is not None:
        async with services.db.transaction() as tx:
            await users.leave_message(tx, viewer.session.sign_in.id, kind, said)
    if request is not None and "hx-request" in request.headers:
        return Response(status_code=204, headers={"HX-Redirect": to})
    return RedirectResponse(to, 303)


def to_sign_in(request: Request) -> Response:
    """Where somebody goes who is not signed in; afterwards back to the page that was asked for."""
    asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    back = asked if request.method == "GET" and asked != "/console" else ""
    to = "/console/sign-in" + (f"?next={quote(back)}" if back else "")
    if "hx-request" in request.headers:
        return Response(status_code=401, headers={"HX-Redirect": "/console/sign-in"})
    return RedirectResponse(to, 303)
