"""Live parts of a page: server-sent events that carry each part whenever it has changed.

A page holds the parts' places; a stream fills them. What viewers of one feed see alike is rendered once.
Parts carry no token and no form of their own: their buttons belong to forms that the page holds.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any, Protocol, TypeVar

from fastapi import Request
from fastapi.responses import HTMLResponse, Response, StreamingResponse

from campaign.domain.errors import Unavailable
from campaign.web.console.frame import Viewer, headers, page
from campaign.web.feeds import Beat, Feed, Feeds
from campaign.wiring import Services

NOTHING: Mapping[str, object] = MappingProxyType({})
LIFE_S = 60.0
"""Real seconds of a stream; then the browser opens another, and who is signed out by then gets none."""


class View(Protocol):
    """What a feed sees: everything at one moment."""

    @property
    def at(self) -> datetime: ...


V = TypeVar("V", bound=View)


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a page: the id of its place, and the template that fills it (with `view`)."""

    place: str
    template: str


TROUBLE = Part("trouble", "live_trouble.html")
"""Every live page has a place for what keeps it from being live."""


def stream(
    request: Request,
    services: Services,
    viewer: Viewer,
    key: Hashable,
    look: Callable[[datetime], Awaitable[V]],
    parts: Sequence[Part],
    context: Mapping[str, object] = NOTHING,
    *,
    last: Callable[[V], bool] = lambda _: False,
) -> Response:
    """The live parts of a page, for as long as somebody looks.

    Args:
        key: what is watched; all who watch the same share one feed.
        look: sees it.
        last: whether nothing will change any more after a look.
        context: more for the templates; part of what tells renderings apart.

    Raises:
        Unavailable: this process is about to end, or too many watch already.
    """
    feeds: Feeds = request.app.state.feeds
    if services.draining:
        raise Unavailable("This process is about to end.", "The page connects to another one by itself.")
    feeds.require_room(key)

    async def told() -> AsyncIterator[bytes]:
        ends = asyncio.get_running_loop().time() + LIFE_S
        shown: dict[str, str] = {}
        async with feeds.watching(key, lambda: Feed(look, services.clock.now)) as feed:
            async for beat in feed.watch():
                fresh = _rendered(request, viewer, feed, beat, (*parts, TROUBLE), context)
                news = {place: html for place, html in fresh.items() if shown.get(place) != html}
                shown.update(news)
                yield _message(news)
                if beat.over or (beat.seen is not None and last(beat.seen)):
                    yield b"event: over\ndata: over\n\n"
                    return
                if services.draining or asyncio.get_running_loop().time() >= ends:
                    return

    return StreamingResponse(
        told(),
        media_type="text/event-stream",
        headers={**headers(viewer.session), "X-Accel-Buffering": "no"},
    )


async def once(
    request: Request,
    services: Services,
    viewer: Viewer,
    look: Callable[[datetime], Awaitable[V]],
    parts: Sequence[Part],
    context: Mapping[str, object] = NOTHING,
) -> HTMLResponse:
    """The same parts as they are now, once: for a browser without scripts."""
    beat = Beat(1, await look(services.clock.now()))
    fresh = _parts(request, viewer, beat, parts, context)
    text = "".join(f'<div id="{place}">{html}</div>' for place, html in fresh.items())
    return page(request, viewer, "now.html", text=text)


def _rendered(
    request: Request,
    viewer: Viewer,
    feed: Feed[V],
    beat: Beat[V],
    parts: Sequence[Part],
    context: Mapping[str, object],
) -> dict[str, str]:
    """A look as this viewer sees it; rendered once for all who see it alike."""
    alike = (beat.number, viewer.zone.key, viewer.user.role, tuple(sorted(context.items())))
    known = feed.memo.get(alike)
    if not isinstance(known, dict):
        known = feed.memo[alike] = _parts(request, viewer, beat, parts, context)
    return known


def _parts(
    request: Request,
    viewer: Viewer,
    beat: Beat[V],
    parts: Sequence[Part],
    context: Mapping[str, Any],
) -> dict[str, str]:
    view = beat.seen
    seer = viewer if view is None else replace(viewer, now=view.at)
    found = {}
    for part in parts:
        if view is None and part is not TROUBLE:
            continue
        body = page(request, seer, part.template, view=view, beat=beat, **context).body
        found[part.place] = bytes(body).decode()
    return found


def _message(news: Mapping[str, str]) -> bytes:
    """One event: the parts that have changed; without any, the word that nothing has."""
    if not news:
        return b"event: same\ndata: same\n\n"
    text = "".join(
        f'<hx-partial hx-target="#{place}" hx-swap="innerMorph">{html}</hx-partial>'
        for place, html in news.items()
    )
    return b"".join(b"data: " + line.encode() + b"\n" for line in text.splitlines()) + b"\n"
