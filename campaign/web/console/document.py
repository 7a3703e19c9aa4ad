"""A definition that is being written at the console, as a form or as TOML, and what is wrong in it."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from starlette.requests import Request

from campaign.domain import campaign as domain
from campaign.domain import form as forms
from campaign.domain import script as scripts
from campaign.domain import toml_text
from campaign.domain.calling_window import DAYS, WeeklyHours, WindowError
from campaign.domain.campaign import CampaignDefinition
from campaign.domain.errors import BadDefinition, BadInput, Fault
from campaign.domain.toml_lines import dotted, lines_of, undotted
from campaign.flow import definitions
from campaign.store import campaigns, contacts
from campaign.store.contacts import Contact
from campaign.store.database import Tx

View = Literal["form", "toml"]
LONGEST: Final = 500_000
"""Characters of a definition."""
_NOT_FIELDS: Final = frozenset({"csrf", "view", "do", "text", "moves", "said", "act", "contact", "rehearsed"})


@dataclass(frozen=True, slots=True)
class Document:
    """A definition as it is being written.

    Args:
        view: how it is shown.
        text: it as TOML.
        fields: it as a form; empty while it is shown as TOML.
        moved: fields of rows that have another number here than in the browser → their names there.
        faults: what is wrong in the form's fields themselves.
        spare: empty rows of a kind, where one is not enough.
        note: what the person should know of the change from one view to the other.
    """

    view: View
    text: str
    fields: Mapping[str, str] = field(default_factory=dict)
    moved: Mapping[str, str] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()
    spare: Mapping[str, int] = field(default_factory=dict)
    note: str = ""

    def definition(self) -> CampaignDefinition:
        """It, read by the one validator.

        Raises:
            BadDefinition: with every fault.
        """
        try:
            found = domain.parse_toml(self.text, "The definition")
        except BadDefinition as error:
            raise BadDefinition("The definition", (*self.faults, *error.faults)) from None
        if self.faults:
            raise BadDefinition("The definition", self.faults)
        return found

    def rows(self, name: str) -> range:
        """The rows that the form shows of a kind."""
        return forms.rows(self.fields, name, self.spare.get(name, 1))

    def week(self) -> list[tuple[str, str, str, list[tuple[int, int]]]]:
        """Each day: its code, its name, its hours as text, and as minutes from and to."""
        found = []
        for day, name in zip(DAYS, _DAY_NAMES, strict=True):
            text = self.fields.get(f"schedule.week.{day}", "")
            try:
                spans = WeeklyHours.parse({day: text} if text else {}).days[DAYS.index(day)]
            except WindowError:
                spans = ()
            found.append((day, name, text, [(start // 60, end // 60) for start, end in spans]))
        return found


_DAY_NAMES: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def of_text(text: str, view: View) -> Document:
    """A document of TOML; it stays TOML when it is none that a form could show."""
    if view == "toml":
        return Document("toml", text)
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError):
        return Document(
            "toml", text, note="This is no TOML yet, so it can’t be shown as a form: mend it first."
        )
    return _of_fields(forms.fields_of(table))


def _of_fields(sent: Mapping[str, str]) -> Document:
    filled = forms.table_of(sent)
    faults = tuple(Fault(dotted(path), None, why) for path, why in filled.faults)
    return Document("form", toml_text.dumps(filled.table), filled.fields, filled.moved, faults)


async def sent(request: Request) -> tuple[Document, str]:
    """What a browser sent of a document, and what is to be done with it (the button's `do`).

    Raises:
        BadInput: it is too long.
    """
    given = {
        name: text.replace("\0", "")
        for name, text in (await request.form()).items()
        if isinstance(text, str) and len(name) <= 100
    }
    if sum(map(len, given.values())) > 2 * LONGEST or len(given.get("text", "")) > LONGEST:
        raise BadInput("This definition is too long.", f"Use at most {LONGEST:,} characters.")
    do = given.get("do", "")
    if given.get("view") != "form":
        found = of_text(given.get("text", ""), "form" if do == "form" else "toml")
        return found, do
    fields = {name: text for name, text in given.items() if name not in _NOT_FIELDS}
    what, _, where = do.partition(":")
    if what == "drop":
        name, _, number = where.rpartition(".")
        fields = forms.without_row(fields, name, int(number) if number.isdigit() else -1)
    made = _of_fields(fields)
    if what == "add" and where in forms.ROWS:
        made = replace(made, spare={where: 2})
    if what == "toml":
        made = Document("toml", made.text, faults=made.faults)
    return made, do


# ── what is wrong in it ────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Checked:
    """A document that was checked.

    Args:
        faults: what is wrong, with lines; of one that can be used, none.
        variables: what the script says of a contact → what a contact of the first list has there; None: the
            list has no such column.
        greeting: as that contact would hear it.
        errors: in the form, field → what is wrong with it.
    """

    definition: CampaignDefinition | None
    faults: tuple[Fault, ...]
    variables: Mapping[str, str | None]
    greeting: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)
    places: tuple[str, ...] = ()
    """The field of each fault."""

    def named(self, moved: Mapping[str, str]) -> "Checked":
        """The same, with the fields' names in the browser, whose rows may have gaps."""
        errors = {moved.get(name, name): why for name, why in self.errors.items()}
        return replace(self, errors=errors, places=tuple(moved.get(name, name) for name in self.places))


async def check(tx: Tx, document: Document) -> Checked:
    """Everything that is wrong in a document, and what its script says of the first contact."""
    try:
        found = document.definition()
    except BadDefinition as error:
        return _at_fields(document, Checked(None, error.faults, {}))
    faults = await definitions.faults_against(tx, found, lines_of(document.text))
    columns = await campaigns.known_lists(tx, [found.lists[0].name])
    someone = await people(tx, found, 1) if columns else []
    values = dict(someone[0].variables) if someone else {}
    known = {name for names in columns.values() for name in names}
    variables = {
        name: values.get(name, "") if name in known else None
        for name in sorted(scripts.variables(found.script))
    }
    greeting = scripts.render(found.script.greeting, values) if not faults else ""
    return _at_fields(document, Checked(found, tuple(faults), variables, greeting))


async def people(tx: Tx, definition: CampaignDefinition, most: int) -> list[Contact]:
    """The first contacts of a definition's first list; none while there is no such list."""
    name = definition.lists[0].name
    if not await campaigns.known_lists(tx, [name]):
        return []
    first = await contacts.list_named(tx, name)
    return await contacts.page(tx, first.id, most=most)


def _at_fields(document: Document, checked: Checked) -> Checked:
    """Where in the form each fault stands."""
    if document.view != "form":
        return checked
    errors: dict[str, str] = {}
    places = []
    for fault in checked.faults:
        path = undotted(fault.path)
        name = forms.field_at(path, document.fields)
        why = fault.why
        if name == forms.REST and fault.path and fault.path != forms.REST:
            why = f"{fault.path}: {why}"
        elif path and isinstance(path[-1], int) and not re.search(r"\.\d+\.", name):
            why = f"Entry {path[-1] + 1} {why}"
        errors[name] = f"{errors[name]}; {why}" if name in errors else why
        places.append(name)
    return replace(checked, errors=errors, places=tuple(places))
