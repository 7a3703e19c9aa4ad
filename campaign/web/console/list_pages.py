"""Contact lists: all of them, one with its contacts, its imports, the campaigns that call it."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Form, Path, Query, Request
from fastapi.responses import HTMLResponse, Response

from campaign.domain import phone as phones
from campaign.domain.campaign import ListRef, stored
from campaign.domain.errors import BadInput, Conflict, NotFound
from campaign.domain.place import Place
from campaign.flow import definitions
from campaign.store import browse, campaigns, contacts, imports, shelf
from campaign.store.database import Tx
from campaign.web.auth import CONSOLE
from campaign.web.console.frame import Seen, Viewer, go_on, page
from campaign.web.deps import With, cursor_of, read_cursor
from campaign.wiring import Services

router = APIRouter(include_in_schema=False)

LISTS = CONSOLE + "/lists"
PER_PAGE = 50
Id = Annotated[int, Path(ge=1, lt=2**63)]
Cursor = Annotated[str, Query(max_length=40)]
Words = Annotated[str, Query(max_length=200, pattern=r"^[^\x00]*$")]


@router.get(LISTS)
async def show_lists(request: Request, viewer: Seen, cursor: Cursor = "") -> HTMLResponse:
    """The page at once; the table, whose contacts are counted, a moment later."""
    return page(request, viewer, "lists.html", cursor=cursor)


@router.get(LISTS + "/table")
async def lists_table(request: Request, viewer: Seen, services: With, cursor: Cursor = "") -> HTMLResponse:
    """Lists with the number of their contacts, newest first: a part of a page."""
    async with services.db.connection() as tx:
        rows = await shelf.shelf(tx, read_cursor(cursor) if cursor else None, PER_PAGE + 1)
    kept = rows[:PER_PAGE]
    following = cursor_of(kept[-1].id) if len(rows) > PER_PAGE else None
    return page(request, viewer, "lists_table.html", lists=kept, next=following, cursor=cursor)


async def list_of(tx: Tx, list_id: int) -> browse.Row:
    """A list's own row.

    Raises:
        NotFound: there is none of that number.
    """
    row = await browse.list_head(tx, list_id)
    if row is None:
        raise NotFound(f"There is no contact list {list_id}.", "See them under Lists.")
    return row


@router.get(LISTS + "/{list_id}")
async def show_list(
    request: Request, viewer: Seen, services: With, list_id: Id, q: Words = "", cursor: Cursor = ""
) -> HTMLResponse:
    """A list's contacts in the order in which they came, or those that were searched for."""
    words = q.strip()
    async with services.db.connection() as tx:
        found = await list_of(tx, list_id)
        if words:
            rows = await shelf.search(tx, list_id, words, _number(words, found["region"]), PER_PAGE + 1)
        else:
            after = read_cursor(cursor) if cursor else 0
            rows = await contacts.page(tx, list_id, after=after, most=PER_PAGE + 1)
    kept = rows[:PER_PAGE]
    more = len(rows) > PER_PAGE
    return page(
        request,
        viewer,
        "list.html",
        found=found,
        contacts=kept,
        zones={one.id: _zones(one.place) for one in kept},
        columns=found["columns"][:4],
        q=words,
        cursor=cursor,
        more=more,
        next=cursor_of(kept[-1].id) if more and not words else None,
    )


def _number(words: str, region: str | None) -> str | None:
    parsed = phones.parse(words, region or "US")
    return None if isinstance(parsed, phones.Rejected) else parsed.e164


def _zones(place: str) -> list[str]:
    return sorted(Place.from_key(place).zones)


@router.get(LISTS + "/{list_id}/imports")
async def show_imports(request: Request, viewer: Seen, services: With, list_id: Id) -> HTMLResponse:
    """What was read into a list, newest first."""
    async with services.db.connection() as tx:
        found = await list_of(tx, list_id)
        rows = await imports.listed(tx, kind="contacts", list_name=found["name"])
    return page(request, viewer, "list_imports.html", found=found, imports=rows)


@router.get(LISTS + "/{list_id}/places")
async def list_places(request: Request, viewer: Seen, services: With, list_id: Id) -> HTMLResponse:
    """Where a list's people may be: a part of a page."""
    async with services.db.connection() as tx:
        found = await shelf.places(tx, list_id)
    return page(request, viewer, "places.html", **charted(found))


def charted(places: dict[str, int]) -> dict[str, Any]:
    """Contacts by time zone and by region, most first, for charts; several at once are told apart."""
    zones: dict[str, int] = {}
    regions: dict[str, int] = {}
    for key, count in places.items():
        place = Place.from_key(key)
        zone = next(iter(place.zones)) if len(place.zones) == 1 else _several(len(place.zones))
        zones[zone] = zones.get(zone, 0) + count
        for country in place.countries or ("?",):
            states = sorted(one for one in place.regions if one.startswith(f"{country}-"))
            region = states[0] if len(states) == 1 else f"{country}: several" if states else country
            regions[region] = regions.get(region, 0) + count
    return {"total": sum(places.values()), "zones": _most(zones), "regions": _most(regions)}


def _several(count: int) -> str:
    return "several zones" if count else "no zone known"


def _most(counts: dict[str, int], shown: int = 12) -> list[tuple[str, int]]:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    rest = sum(count for _, count in ordered[shown:])
    return [*ordered[:shown], *([("others", rest)] if rest else [])]


# ── campaigns ──────────────────────────────────────────────────────────────────────────────────────────


@router.get(LISTS + "/{list_id}/campaigns")
async def show_campaigns(request: Request, viewer: Seen, services: With, list_id: Id) -> HTMLResponse:
    """Who calls a list, and who could."""
    return await _campaigns_page(request, viewer, services, list_id)


async def _campaigns_page(
    request: Request, viewer: Viewer, services: Services, list_id: int, error: Any = None
) -> HTMLResponse:
    async with services.db.connection() as tx:
        found = await list_of(tx, list_id)
        rows = await shelf.callers(tx, list_id)
    return page(
        request,
        viewer,
        "list_campaigns.html",
        error.status if error else 200,
        found=found,
        attached=[row for row in rows if row.attached],
        others=[row for row in rows if not row.attached],
        error=error,
    )


@router.post(LISTS + "/{list_id}/campaigns")
async def attach(
    request: Request, viewer: Seen, services: With, list_id: Id, campaign_id: Annotated[int, Form(ge=1)]
) -> Response:
    """Let a campaign call this list too: a new version of its definition, as any other edit."""
    async with services.db.connection() as tx:
        found = await list_of(tx, list_id)
        row = await campaigns.find(tx, f"#{campaign_id}")
        definition = stored(await campaigns.definition(tx, campaign_id))
    lists = (*definition.lists, ListRef(name=found["name"]))
    try:
        await definitions.edit(
            services.db,
            services.rulebook,
            f"#{campaign_id}",
            msgspec.structs.replace(definition, lists=lists),
            actor=viewer.actor,
            now=viewer.now,
        )
    except (BadInput, Conflict) as error:
        return await _campaigns_page(request, viewer, services, list_id, error)
    return await go_on(
        services, viewer, f"{LISTS}/{list_id}/campaigns", f"{row.name} calls this list too now."
    )
