"""The law as data: jurisdiction packs, parsed from TOML into values.

A file holds packs (`[[pack]]`), a pack holds rules (`[[pack.rule]]`). A pack is matched by country, or by
country and region, against everything that is known about where a person may be; the rules of every
matched pack apply together and the strictest wins.

Dates are read on the called party's calendar. `proposed` rules are shown and never applied; `stayed` ones
are shown, and applied from their date on.
"""

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Protocol

from campaign.domain.calling_window import WeeklyHours, WindowError, known_zone
from campaign.domain.errors import BadInput
from campaign.domain.rule import (
    CONSENT_LEVELS,
    COUNTED_DAYS,
    LIFTING,
    SCOPES,
    STATUSES,
    WAIVING,
    Abandonment,
    AttemptCap,
    CallerNumber,
    ClosedDays,
    ConsentDemand,
    Disclosure,
    Hours,
    InternalDnc,
    OptOut,
    Prohibition,
    Reassigned,
    RegionPause,
    Registration,
    Registry,
    Retention,
    RevocationScope,
    Rule,
    Scope,
    Source,
    Terms,
    Waiving,
    closed_days,
)
from campaign.domain.rule_table import Table

SAID = ("business_name", "phone_number", "purpose", "ai", "toll_free_opt_out")
"""What a call may have to say."""
LONGEST_CAP_HOURS = 720
"""The greatest window of an attempt cap: 30 days."""


class BadRulebook(BadInput):
    """Rule packs that cannot be used; names every fault by file, pack, rule and key."""

    status = 422
    slug = "bad-rulebook"

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(faults)
        lines = "\n".join(f"  {fault}" for fault in self.faults)
        super().__init__(f"The rule packs cannot be used:\n{lines}", faults=list(self.faults))


class Located(Protocol):
    """What the rulebook needs to know of a place (domain/place.py)."""

    @property
    def countries(self) -> tuple[str, ...]: ...
    @property
    def regions(self) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True)
class Pack:
    """The rules of one jurisdiction. `reviewed_by` empty means that no lawyer has signed it."""

    id: str
    countries: frozenset[str]
    regions: frozenset[str]
    """Full codes such as "US-FL"; empty for a pack of the whole country."""
    version: str
    reviewed_by: str
    reviewed_on: date | None
    rules: tuple[Rule, ...]
    needs_tzdata: str = ""
    """The oldest release of PyPI's tzdata that knows its clocks, such as "2026.6"; empty: any."""

    def matches(self, place: Located) -> bool:
        """Whether any evidence puts the person in this jurisdiction.

        When the country is known and no region of it, the packs of all its regions match: of several
        possible places the strictest counts.
        """
        if not self.regions:
            return not self.countries.isdisjoint(place.countries)
        if not self.regions.isdisjoint(place.regions):
            return True
        known = {region.split("-")[0] for region in place.regions}
        return any(country in self.countries and country not in known for country in place.countries)


@dataclass(frozen=True, eq=False)
class Rulebook:
    """All packs. Compared by identity: two rulebooks are never mistaken for each other in a cache."""

    packs: tuple[Pack, ...] = field(default=())

    def packs_for(self, place: Located) -> tuple[Pack, ...]:
        """The packs that any evidence matches, in the order of the files."""
        return tuple(pack for pack in self.packs if pack.matches(place))

    def for_place(self, place: Located, on: date | None = None) -> tuple[Rule, ...]:
        """The rules of all matched packs; with `on`, those in force on that local date."""
        return tuple(
            rule for pack in self.packs_for(place) for rule in pack.rules if on is None or rule.in_force(on)
        )

    def covers(self, country: str) -> bool:
        """Whether any pack of the whole country exists; without one nobody there may be called."""
        return any(country in pack.countries and not pack.regions for pack in self.packs)

    @cached_property
    def versions(self) -> dict[str, str]:
        """Pack id → version, of all packs."""
        return {pack.id: pack.version for pack in self.packs}

    def too_old(self, tzdata: str) -> list[Pack]:
        """The packs that this release of tzdata is too old for.

        Args:
            tzdata: such as "2026.6"; what can't be read is too old for every pack that names one.
        """
        return [
            pack for pack in self.packs if pack.needs_tzdata and release(tzdata) < release(pack.needs_tzdata)
        ]

    @cached_property
    def registries(self) -> frozenset[str]:
        """The names of all registries that any rule speaks of."""
        return frozenset(
            r.terms.registry for p in self.packs for r in p.rules if isinstance(r.terms, Registry)
        )


def parse_rulebook(texts: Mapping[str, str]) -> Rulebook:
    """Read packs from TOML files.

    Args:
        texts: file name → content; the name only serves the messages.

    Raises:
        BadRulebook: with every fault found, each naming file, pack, rule and key.
    """
    faults: list[str] = []
    packs: list[Pack] = []
    for name, text in sorted(texts.items()):
        try:
            tables = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            faults.append(f"{name}: not TOML: {error}")
            continue
        top = Table(name, tables, faults)
        if top.whole("schema", default=1) != 1:
            top.fault("schema", "this program reads schema 1")
        packs += [_pack(entry) for entry in top.tables("pack", required=True)]
        top.finish()
    for what, ids in (
        ("pack", [pack.id for pack in packs]),
        ("rule", [rule.id for pack in packs for rule in pack.rules]),
    ):
        faults += [
            f"{what} {one}: the id is used twice" for one in sorted({i for i in ids if ids.count(i) > 1})
        ]
    if faults:
        raise BadRulebook(faults)
    return Rulebook(tuple(packs))


def release(text: str) -> tuple[int, ...]:
    """A release such as "2026.6", to be compared."""
    return tuple(int(part) for part in re.findall(r"\d+", text))


def _pack(table: Table) -> Pack:
    match = table.table("match")
    countries = match.texts("country", required=True, one=True)
    regions = match.texts("region", one=True)
    match.finish()
    if any(not re.fullmatch("[A-Z]{2}", code) for code in countries) or (regions and len(countries) != 1):
        match.fault("country", 'must be ISO codes such as "US", and exactly one when regions are named')
    rules = tuple(_rule(entry) for entry in table.tables("rule"))
    pack = Pack(
        id=table.text("id"),
        countries=frozenset(countries),
        regions=frozenset(f"{countries[0]}-{region}" for region in regions) if countries else frozenset(),
        version=table.text("version"),
        reviewed_by=table.text("reviewed_by", ""),
        reviewed_on=table.day_or_none("reviewed_on"),
        rules=rules,
        needs_tzdata=table.text("needs_tzdata", ""),
    )
    if pack.needs_tzdata and not re.fullmatch(r"\d{4}(\.\d+)+", pack.needs_tzdata):
        table.fault("needs_tzdata", f'"{pack.needs_tzdata}" is no release such as "2026.6"')
    for rule in rules:
        if not rule.id.startswith(pack.id + "."):
            table.fault(f"rule {rule.id}", f'its id must begin with "{pack.id}."')
    table.finish()
    return pack


def _rule(table: Table) -> Rule:
    source = table.table("source")
    cited = Source(
        source.text("cite"), source.day("read_on"), source.text("url", ""), source.text("quote", "")
    )
    source.finish()
    scope = table.table("scope", required=False)
    facets = {name: _facet(scope, name, allowed) for name, allowed in SCOPES.items()}
    scope.finish()
    kind = table.text("kind")
    rule = Rule(
        id=table.text("id"),
        kind=kind,
        scope=Scope(**facets),
        status=table.choice("status", STATUSES),
        effective_from=table.day("effective_from"),
        effective_to=table.day_or_none("effective_to"),
        source=cited,
        lifted_by=_lifted_by(table, kind),
        note=table.text("note", ""),
        may_waive=_may_waive(table, kind),
        terms=_terms(table, kind),
    )
    if rule.effective_to is not None and rule.effective_to < rule.effective_from:
        table.fault("effective_to", "lies before effective_from")
    table.finish()
    return rule


def _facet(scope: Table, name: str, allowed: tuple[str, ...]) -> frozenset[str]:
    values = scope.texts(name, one=True)
    for value in values:
        if value not in allowed:
            scope.fault(name, f'"{value}" is not one of {", ".join(allowed)}')
    return frozenset(values)


def _lifted_by(table: Table, kind: str) -> tuple[str, ...]:
    tokens = table.texts("lifted_by")
    for token in tokens:
        if token not in LIFTING:
            table.fault("lifted_by", f'"{token}" is not one of {", ".join(LIFTING)}')
    if tokens and kind in ("internal_dnc", "consent"):
        table.fault("lifted_by", f"a rule of kind {kind} is never lifted")
    return tokens


def _may_waive(table: Table, kind: str) -> bool | None:
    if "waivable" not in table:
        return None
    said = table.flag("waivable", False)
    if said and kind in WAIVING and WAIVING[kind][0] is Waiving.NEVER:
        table.fault("waivable", f"a rule of kind {kind} is never waived: {WAIVING[kind][1]}")
    return said


def _terms(table: Table, kind: str) -> Terms:
    """The demands of a rule by its kind; a kind that is not known is a fault."""
    read = _KINDS.get(kind)
    if read is None:
        table.fault("kind", f'"{kind}" is not one of {", ".join(_KINDS)}')
        table.rest()
        return Prohibition("its kind is not known")
    return read(table)


def _hours(table: Table) -> Hours:
    week = table.table("week")
    hours = WeeklyHours(((),) * 7)
    try:
        hours = WeeklyHours.parse(week.rest())
    except WindowError as error:
        week.fault("", str(error))
    clock = table.text("clock", "called_party")
    if clock != "called_party" and not known_zone(clock):
        table.fault("clock", f'"{clock}" is neither "called_party" nor a time zone')
    return Hours(hours, clock)


def _closed_days(table: Table) -> ClosedDays:
    inner = table.table("holidays")
    inner.choice("lib", ("holidays",), "holidays")
    terms = ClosedDays(
        inner.text("country"), inner.text("subdiv", ""), inner.texts("add"), inner.texts("drop")
    )
    inner.finish()
    for entry in terms.add:
        if not re.fullmatch(r"(\d{4}-)?(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])", entry):
            inner.fault("add", f'"{entry}" is neither a date nor "MM-DD"')
            return ClosedDays(terms.country, terms.subdivision, (), terms.drop)
    try:
        closed_days(terms, 2024)
    except (NotImplementedError, ValueError) as error:
        inner.fault("", f"the holidays package has no such place: {error}")
    return terms


def _region_pause(table: Table) -> RegionPause:
    return RegionPause(table.day("from"), table.day_or_none("to"), table.text("reason"))


def _attempt_cap(table: Table) -> AttemptCap:
    terms = AttemptCap(
        table.whole("count"), table.whole("window_hours", least=1), table.text("key", "called_party")
    )
    if terms.window_hours > LONGEST_CAP_HOURS:
        table.fault(
            "window_hours", f"must be at most {LONGEST_CAP_HOURS}: attempts are looked up so far back"
        )
    return terms


def _consent(table: Table) -> ConsentDemand:
    return ConsentDemand(table.choice("level", CONSENT_LEVELS), table.whole("expires_days", 0))


def _registry(table: Table) -> Registry:
    return Registry(
        table.text("registry"), table.whole("max_age_days", least=1), table.flag("same_day", False)
    )


def _internal_dnc(table: Table) -> InternalDnc:
    return InternalDnc(table.text("honour_within"), table.whole("keep_days", 0))


def _revocation_scope(table: Table) -> RevocationScope:
    return RevocationScope(table.choice("value", ("topic", "all_topics")))


def _opt_out(table: Table) -> OptOut:
    return OptOut(
        table.number("offer_within_s"),
        table.flag("after_identification", False),
        table.flag("end_call", True),
    )


def _disclosure(table: Table) -> Disclosure:
    say = table.texts("say", required=True)
    for what in say:
        if what not in SAID:
            table.fault("say", f'"{what}" is not one of {", ".join(SAID)}')
    return Disclosure(say, table.number("within_s", 0))


def _abandonment(table: Table) -> Abandonment:
    terms = Abandonment(
        table.number("max_rate"),
        table.whole("window_days", least=1),
        table.choice("per", ("campaign",), "campaign"),
        table.number("connect_within_s", 0),
        table.number("ring_min_s", 0),
    )
    if terms.window_days != COUNTED_DAYS:
        table.fault("window_days", f"must be {COUNTED_DAYS}: calls are counted over so many days")
    if not 0 < terms.max_rate <= 1:
        table.fault("max_rate", "must be a share above 0 and at most 1, such as 0.03")
    return terms


def _caller_number(table: Table) -> CallerNumber:
    terms = CallerNumber(table.text("must_match", ""), table.text("must_not_match", ""))
    for key, pattern in (("must_match", terms.must_match), ("must_not_match", terms.must_not_match)):
        try:
            re.compile(pattern)
        except re.error as error:
            table.fault(key, f"is not a regular expression: {error}")
            return CallerNumber("", "")
    return terms


def _prohibition(table: Table) -> Prohibition:
    return Prohibition(table.text("reason"))


def _registration(table: Table) -> Registration:
    return Registration(table.text("what"))


def _reassigned(table: Table) -> Reassigned:
    return Reassigned(table.whole("max_age_days", least=1))


def _retention(table: Table) -> Retention:
    return Retention(table.text("what"), table.whole("days"))


_KINDS: dict[str, Callable[[Table], Terms]] = {
    "hours": _hours,
    "closed_days": _closed_days,
    "region_pause": _region_pause,
    "attempt_cap": _attempt_cap,
    "consent": _consent,
    "registry": _registry,
    "internal_dnc": _internal_dnc,
    "revocation_scope": _revocation_scope,
    "opt_out": _opt_out,
    "disclosure": _disclosure,
    "abandonment": _abandonment,
    "caller_number": _caller_number,
    "prohibition": _prohibition,
    "registration": _registration,
    "reassigned": _reassigned,
    "retention": _retention,
}
