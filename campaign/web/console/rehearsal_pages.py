"""A script rehearsed in the browser: what the agent says to what a person would say.

Nothing is kept between two lines: the page holds what the person has done so far, and the conversation is
played again from its beginning each time, in virtual time and by the scripted agent.
"""

from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from campaign.domain.campaign import CampaignDefinition
from campaign.domain.disposition import MEANING, Disposition
from campaign.domain.errors import BadDefinition, BadInput
from campaign.domain.summary import by_rule, told
from campaign.flow.answers import with_own
from campaign.flow.rehearsal import LONGEST_SAID, MOST_MOVES, Standing, so_far
from campaign.flow.text_line import move
from campaign.store.contacts import Contact
from campaign.web.auth import CONSOLE
from campaign.web.console import document as documents
from campaign.web.console.frame import Seen, Viewer, page, place_zones
from campaign.web.deps import With
from campaign.wiring import Services

router = APIRouter(include_in_schema=False)

REHEARSE: Final = CONSOLE + "/campaigns/rehearse"
SAMPLES: Final = 10
"""Contacts of the list among whom the one who is called can be chosen."""


@dataclass(frozen=True, slots=True)
class Told:
    """A rehearsal as it is shown.

    Args:
        text: the definition as TOML that is rehearsed.
        moves: what the person has done so far, a line each.
        standing: None before it begins.
        result: (name, value) of what the call came to, as far as it is.
        people: who could be called: number and words.
        contact: the number of who is called.
        refused: why it can't go on.
    """

    text: str = ""
    moves: str = ""
    standing: Standing | None = None
    result: tuple[tuple[str, str], ...] = ()
    people: tuple[tuple[str, str], ...] = ()
    contact: str = "0"
    refused: str = ""


START: Final = Told()
"""Before anything was said."""


@router.post(REHEARSE)
async def rehearse(request: Request, viewer: Seen, services: With) -> HTMLResponse:
    """One more thing that the person does; the whole page for a browser without scripts."""
    form = await request.form()

    def given(name: str, most: int) -> str:
        return str(form.get(name) or "").replace("\0", "")[:most]

    if "view" in form:
        document, _ = await documents.sent(request)
    else:
        document = documents.of_text(given("rehearsed", documents.LONGEST), "toml")
    act, said = given("act", 20), " ".join(given("said", LONGEST_SAID).split())
    moves = [] if act == "begin" else given("moves", MOST_MOVES * (LONGEST_SAID + 20)).splitlines()
    match act:
        case "say":
            moves += [said or "/silence"]
        case "interrupt":
            moves += [f"/interrupt {said}"]
        case "silence" | "machine" | "hangup":
            moves += [f"/{act}"]
        case "key":
            moves += [f"/{said.lstrip('/')}"]
        case "back":
            moves = moves[:-1]
    shown = await _told(services, viewer, document.text, moves, given("contact", 3))
    name = "rehearsal_part.html" if "hx-request" in request.headers else "rehearsal.html"
    return page(request, viewer, name, told=shown)


async def _told(services: Services, viewer: Viewer, text: str, moves: list[str], contact: str) -> Told:
    """The conversation after these moves."""
    kept = "\n".join(moves)
    try:
        definition = documents.of_text(text, "toml").definition()
    except BadDefinition as error:
        one = len(error.faults) == 1
        why = f"The definition has {'a fault' if one else f'{len(error.faults)} faults'}: mend "
        return Told(text, kept, refused=why + ("it first." if one else "them first."))
    async with services.db.connection() as tx:
        people = await documents.people(tx, definition, SAMPLES)
    number = int(contact) if contact.isdigit() and int(contact) < len(people) else 0
    someone = people[number] if people else None
    offered = tuple((str(n), _words(one, n)) for n, one in enumerate(people))
    refused = ""
    if len(moves) > MOST_MOVES:
        moves = moves[:MOST_MOVES]
        refused = f"A rehearsal ends after {MOST_MOVES} lines: begin it again."
    try:
        done = [move(line) for line in moves]
    except BadInput:
        done = [move(line) for line in moves[:-1]]
        moves = moves[:-1]
        refused = "Keys are digits, * and #."
    values = with_own(dict(someone.variables) if someone else {}, definition)
    standing = await so_far(
        definition, values, done, services.agents, at=viewer.now, zone=_zone(someone, viewer)
    )
    result = _result(definition, standing)
    return Told(text, "\n".join(moves), standing, result, offered, str(number), refused)


def _words(contact: Contact, number: int) -> str:
    """A contact as one line: who it is, as far as its columns tell."""
    said = ", ".join(value for value in list(contact.variables.values())[:3] if value)
    return f"{number + 1}. {said[:60] or 'without columns'}"


def _zone(contact: Contact | None, viewer: Viewer) -> ZoneInfo:
    """The contact's zone, or the viewer's."""
    zones = place_zones(contact.place) if contact else ()
    return ZoneInfo(zones[-1]) if zones else viewer.zone


def _result(definition: CampaignDefinition, standing: Standing) -> tuple[tuple[str, str], ...]:
    """What the call comes to, as far as it is; at its end with its outcome and summary."""
    found = [(f"Answer: {key}", told(value)) for key, value in standing.answers.items()]
    if standing.callback_at is not None:
        found.append(("Callback", f"{standing.callback_at:%Y-%m-%d %H:%M %Z}"))
    if not standing.over:
        return tuple(found)
    disposition = standing.disposition or Disposition.NO_CONVERSATION
    found.insert(0, ("Outcome", MEANING[disposition].words))
    if not standing.disclosed:
        found.append(("Disclosures", "not heard to their end"))
    summary = by_rule(
        definition.script,
        disposition,
        standing.answers,
        said=sum(line.who == "person" for line in standing.lines),
        callback_at=standing.callback_at,
    )
    return (*found, ("Summary", summary)) if summary else tuple(found)
