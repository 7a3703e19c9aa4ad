"""A person's whole story, by number: looked up, kept from calls, shown and erased on request.

A number stands in no address: it is sent in a form's body and then goes by a reference, "c12", contact 12, or
"a34", the person that call 34 went to. So it is in no browser's history, no proxy's log, no referrer.
"""

import json
from typing import Annotated, Any

from fastapi import APIRouter, Form, Path, Request
from fastapi.encoders import jsonable_encoder
from fastapi.responses import HTMLResponse, Response

from campaign.domain import phone as phones
from campaign.domain.errors import BadInput, Conflict, NotFound
from campaign.domain.phone import PhoneNumber, mask
from campaign.flow import explain, records, story_words
from campaign.flow.suppress import lift, suppress
from campaign.store import call_search, dnc
from campaign.store.database import Tx
from campaign.web.auth import CONSOLE
from campaign.web.console.frame import Seen, Viewer, go_on, page
from campaign.web.deps import With
from campaign.wiring import Services

router = APIRouter(include_in_schema=False)

Reference = Annotated[str, Path(pattern="^[ac][1-9][0-9]{0,17}$")]
GivenReference = Annotated[str, Form(max_length=20, pattern="^([ac][1-9][0-9]{0,17})?$")]
Number = Annotated[str, Form(max_length=40)]
Reason = Annotated[str, Form(max_length=500, pattern=r"^[^\x00]*$")]
HERE = CONSOLE + "/people"


async def number_of(tx: Tx, reference: str) -> str:
    """The number that a reference stands for.

    Raises:
        NotFound: there is no such contact or call (any more).
    """
    key = int(reference[1:]) if reference[1:].isascii() and reference[1:].isdecimal() else 0
    found = None
    if reference[:1] == "c" and 0 < key < 2**63:
        found = await call_search.phone_of(tx, contact_id=key)
    elif reference[:1] == "a" and 0 < key < 2**63:
        found = await call_search.phone_of(tx, attempt_id=key)
    if not found or isinstance(
        phones.parse(found, None), phones.Rejected
    ):  # erased: it is no number any more
        raise NotFound("There is nobody here (any more).", "Look the number up again.")
    return found


@router.get(HERE)
async def show_search(request: Request, viewer: Seen) -> HTMLResponse:
    """Where a number is looked up."""
    return page(request, viewer, "people.html", error=None, given="")


@router.post(HERE)
async def find_person(request: Request, viewer: Seen, services: With, number: Number = "") -> Response:
    """On to the person's page; somebody whom we know nothing of has none, and is shown at once."""
    try:
        parsed = _parsed(number)
    except BadInput as error:
        return page(request, viewer, "people.html", error.status, error=error, given=number)
    async with services.db.connection() as tx:
        reference = await call_search.reference_of(tx, parsed.e164)
    if reference is not None:
        return await go_on(services, viewer, f"{HERE}/{reference}")
    return await _person(request, services, viewer, parsed, "")


@router.get(HERE + "/{reference}")
async def show_person(request: Request, viewer: Seen, services: With, reference: Reference) -> Response:
    """Everything that is known of a person: lists, do-not-call, campaigns with their decisions, calls."""
    async with services.db.connection() as tx:
        number = await number_of(tx, reference)
    return await _person(request, services, viewer, _parsed(number), reference)


async def _person(
    request: Request, services: Services, viewer: Viewer, number: PhoneNumber, reference: str
) -> HTMLResponse:
    told = await explain.explain(
        services.db, number, services.clock.now(), rulebook=services.rulebook, rates=services.rates
    )
    numbers = [number.e164]
    for contact in told.contacts:
        numbers += [one for one in (contact.phone, *contact.other_phones) if one not in numbers]
    async with services.db.connection() as tx:
        listed = {one: await dnc.check(tx, one) for one in numbers}
    return page(
        request,
        viewer,
        "person.html",
        told=told,
        sections=dict(story_words.tell(told)),
        listed=listed,
        own_words=dnc.OWN_WORDS,
        reference=reference,
    )


# ── do not call ────────────────────────────────────────────────────────────────────────────────────────


@router.post(HERE + "/do-not-call")
async def do_not_call(
    request: Request,
    viewer: Seen,
    services: With,
    reference: GivenReference = "",
    number: Number = "",
    reason: Reason = "",
    back: Annotated[str, Form(max_length=60, pattern="^(/console/calls/[0-9]+)?$")] = "",
) -> Response:
    """Never call this person again: all numbers of theirs that we know, from the very next call on."""
    phone = await _given(services, reference, number)
    done = await suppress(
        services.db,
        services.gateway if services.settings.twilio_account_sid else None,
        [phone],
        reason=reason.strip() or "asked, and put on the list in the console",
        source="console",
        actor=viewer.actor,
        now=services.clock.now(),
        all_numbers=True,
    )
    said = f"{mask(phone)} is not called any more."
    if done.added > 1:
        said = f"{mask(phone)} and {done.added - 1} more of the same person are not called any more."
    if not done.added:
        said = f"{mask(phone)} was on the do-not-call list already."
    if done.blocked:
        waited = f"{done.blocked} planned call{'' if done.blocked == 1 else 's'}"
        said += f" {waited} {'is' if done.blocked == 1 else 'are'} off."
    to = back or (f"{HERE}/{reference}" if reference else HERE)
    return await go_on(services, viewer, to, said)


@router.post(HERE + "/may-be-called")
async def may_be_called(
    request: Request,
    viewer: Seen,
    services: With,
    reference: GivenReference = "",
    number: Number = "",
    list_name: Annotated[str, Form(max_length=200, pattern=r"^[^\x00]*$")] = "",
    reason: Reason = "",
    new_consent: Reason = "",
    mistake: Annotated[bool, Form()] = False,
) -> Response:
    """Take a number off a list again: with a reason, and for what a person asked in a call with where their
    new consent comes from."""
    phone = await _given(services, "", number)
    to = f"{HERE}/{reference}" if reference else HERE
    if len(reason.strip()) < 3:
        said = "A number comes off a do-not-call list only with a reason: say why, for the books."
        return await go_on(services, viewer, to, said, kind="failure")
    try:
        lifted = await lift(
            services.db,
            phone,
            list_name=list_name or None,
            reason=reason.strip(),
            new_consent=new_consent.strip() or None,
            mistake=mistake,
            actor=viewer.actor,
            now=services.clock.now(),
        )
    except Conflict as error:
        said = f"{error.what} It comes off only with consent given since: say where that comes from."
        return await go_on(services, viewer, to, said, kind="failure")
    if lifted is None:
        return await go_on(services, viewer, to, f"{mask(phone)} is not on that list.", kind="info")
    said = f"{mask(phone)} is off the list."
    if lifted.consent_ended_at is not None:
        said += " Consent from before stays ended: only consent given later counts."
    if lifted.unblocked:
        said += (
            f" {lifted.unblocked} enrolled contact{' is' if lifted.unblocked == 1 else 's are'} judged anew."
        )
    return await go_on(services, viewer, to, said)


# ── a person's rights ──────────────────────────────────────────────────────────────────────────────────


@router.post(HERE + "/export")
async def export_person(
    viewer: Seen, services: With, reference: GivenReference = "", number: Number = ""
) -> Response:
    """All that is stored about one person, as a file; that it was taken is audited."""
    phone = await _given(services, reference, number)
    found = await records.export(services.db, phone, actor=viewer.actor, now=services.clock.now())
    body = json.dumps(jsonable_encoder(found), ensure_ascii=False, indent=2)
    name = f"person-{reference or 'export'}.json"
    return Response(
        body,
        media_type="application/json",
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )


@router.post(HERE + "/erase")
async def erase_person(
    request: Request,
    viewer: Seen,
    services: With,
    reference: GivenReference = "",
    number: Number = "",
    reason: Reason = "",
) -> Response:
    """Everything about the person goes, for good; the numbers stay on our own do-not-call list."""
    phone = await _given(services, reference, number)
    to = f"{HERE}/{reference}" if reference else HERE
    if len(reason.strip()) < 3:
        said = "Erasing needs a reason, for the audit trail: say for example who asked, and when."
        return await go_on(services, viewer, to, said, kind="failure")
    try:
        done = await records.erase(
            services.db,
            services.data_dir,
            phone,
            reason=reason.strip(),
            actor=viewer.actor,
            now=services.clock.now(),
        )
    except Conflict as error:
        return await go_on(services, viewer, to, f"{error.what} {error.do}", kind="failure")
    return page(request, viewer, "erased.html", done=done)


async def _given(services: Services, reference: str, number: str) -> str:
    """The number that a form is about."""
    if number:
        return _parsed(number).e164
    async with services.db.connection() as tx:
        return await number_of(tx, reference)


def _parsed(text: str) -> PhoneNumber:
    found: Any = phones.parse(text.strip(), None)
    if isinstance(found, phones.Rejected):
        raise BadInput(
            f"This number {found.why}.",
            "Write it with its country: +<country code><number>.",
            code=found.code,
        )
    parsed: PhoneNumber = found
    return parsed
