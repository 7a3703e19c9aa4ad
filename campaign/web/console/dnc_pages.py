"""Do not call: is a number listed, put it on, take it off; the lists, and how old the registries are."""

from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, Response

from campaign.domain import phone as phones
from campaign.domain.errors import BadInput, CampaignError, Conflict
from campaign.flow.registry_standing import standings
from campaign.flow.suppress import suppress
from campaign.store import contacts, dnc
from campaign.web.auth import CONSOLE
from campaign.web.console.frame import Seen, Viewer, go_on, page, query
from campaign.web.deps import With
from campaign.wiring import Services

router = APIRouter(include_in_schema=False)

DNC = CONSOLE + "/dnc"
Text = Annotated[str, Form(max_length=500, pattern=r"^[^\x00]*$")]


@router.get(DNC)
async def show_dnc(
    request: Request,
    viewer: Seen,
    services: With,
    phone: Annotated[str, Query(max_length=60, pattern=r"^[^\x00]*$")] = "",
    region: Annotated[str, Query(max_length=2)] = "US",
) -> HTMLResponse:
    """The page, with what is known of a number that was asked for."""
    return await _page(request, viewer, services, phone.strip(), region)


async def _page(
    request: Request,
    viewer: Viewer,
    services: Services,
    phone: str,
    region: str,
    *,
    error: CampaignError | None = None,
    form: str = "",
    given: dict[str, Any] | None = None,
) -> HTMLResponse:
    e164, fault = "", ""
    hits: list[dnc.Hit] = []
    people: list[contacts.Contact] = []
    if phone:
        parsed = phones.parse(phone, region.upper() or None)
        if isinstance(parsed, phones.Rejected):
            fault = f"This is no number that can be called: {parsed.why}."
        else:
            e164 = parsed.e164
            async with services.db.connection() as tx:
                hits = await dnc.check(tx, e164)
                people = await contacts.with_number(tx, e164)
    async with services.db.connection() as tx:
        names = [one.name for one in await dnc.lists(tx, counted=False) if one.kind == "campaign"]
    return page(
        request,
        viewer,
        "dnc.html",
        error.status if error else 200,
        phone=phone,
        region=region,
        e164=e164,
        fault=fault,
        hits=hits,
        people=people[:20],
        names=names,
        error=error,
        form=form,
        given=given or {},
    )


@router.get(DNC + "/lists")
async def show_lists(request: Request, viewer: Seen, services: With) -> HTMLResponse:
    """The lists with their sizes and the registries with their ages: a part of the page, as it counts."""
    async with services.db.connection() as tx:
        lists = await dnc.lists(tx)
        registries = await standings(tx, services.rulebook, viewer.now)
    return page(
        request,
        viewer,
        "dnc_lists.html",
        lists=[one for one in lists if one.kind != "registry"],
        registries=[(one, one.age(viewer.now), one.fault(viewer.now)) for one in registries],
    )


@router.post(DNC)
async def add(
    request: Request,
    viewer: Seen,
    services: With,
    phone: Text = "",
    region: Text = "US",
    reason: Text = "",
    quote: Text = "",
    list_name: Text = "",
    all_numbers: Annotated[bool, Form()] = False,
) -> Response:
    """Put a number on a list; in force for the very next call."""
    given = {"reason": reason, "quote": quote, "list_name": list_name, "all_numbers": all_numbers}
    try:
        e164 = _number(phone, region)
        if len(reason.strip()) < 3:
            raise BadInput("A number goes on the list with a reason.", "Say why, for the books.")
        done = await suppress(
            services.db,
            services.gateway if services.settings.twilio_account_sid else None,
            [e164],
            reason=reason.strip(),
            source="console",
            actor=viewer.actor,
            now=viewer.now,
            list_name=list_name or None,
            quote=quote.strip()[:300] or None,
            all_numbers=all_numbers,
        )
    except (BadInput, Conflict) as error:
        return await _page(request, viewer, services, phone, region, error=error, form="add", given=given)
    said = "The number is listed: nobody calls it from now on." if done.added else "It stood there already."
    if done.blocked or done.call_sids:
        said += f" Contacts that wait no more: {done.blocked:,}. Calls cancelled: {len(done.call_sids):,}."
    return await go_on(services, viewer, DNC + query({"phone": e164}), said)


@router.post(DNC + "/remove")
async def remove(
    request: Request,
    viewer: Seen,
    services: With,
    phone: Text,
    list_name: Text = "",
    reason: Text = "",
    new_consent: Text = "",
    mistake: Annotated[bool, Form()] = False,
) -> Response:
    """Take a number off a list, by its owner's wish or as a mistake; who and why is kept for ever."""
    e164 = _number(phone, None)
    try:
        async with services.db.transaction() as tx:
            removed = await dnc.remove(
                tx,
                list_name=None if list_name in ("", dnc.OWN) else list_name,
                phone=e164,
                reason=reason.strip(),
                new_consent=new_consent.strip() or None,
                mistake=mistake,
                actor=viewer.actor,
                now=viewer.now,
            )
            unblocked = await dnc.unblock(tx, e164, viewer.now) if removed else 0
    except (BadInput, Conflict) as error:
        told = (
            BadInput(error.what, "It comes off only with consent given since: say where that comes from.")
            if isinstance(error, Conflict)
            else error
        )
        given = {"list_name": list_name, "reason": reason, "new_consent": new_consent, "mistake": mistake}
        return await _page(request, viewer, services, e164, "", error=told, form="remove", given=given)
    said = "The number is off the list." if removed else "It did not stand on that list."
    if unblocked:
        said += f" Contacts that are judged anew: {unblocked:,}."
    if removed and removed.consent_ended_at:
        said += " Consent given before the entry counts no more."
    return await go_on(
        services, viewer, DNC + query({"phone": e164}), said, kind="success" if removed else "info"
    )


def _number(text: str, region: str | None) -> str:
    parsed = phones.parse(text, (region or "").upper() or None)
    if isinstance(parsed, phones.Rejected):
        raise BadInput(f"This is no number that can be called: {parsed.why}.", "Write it as +1 202 555 0123.")
    return parsed.e164
