"""How long each kind of record is kept: our defaults, what the settings say, and what the law demands.

The law's part is the packs' rules of kind `retention`: the longest of all packs is a floor that no setting
goes below, since one installation's records are of calls to everywhere. Opt-outs are not among the kinds:
they are never removed (47 CFR 64.1200(d)(6) demands five years; a number that was forgotten would be called
again).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from campaign.domain.errors import SettingsError
from campaign.domain.rule import Retention
from campaign.domain.rulebook import Rulebook

SETTING: Final = "CAMPAIGN_RETENTION"
FOR_EVER: Final = 0
LONGEST_DAYS: Final = 36_525


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of record.

    Attributes:
        name: as in the setting.
        what: for people.
        days: kept so long unless the settings say otherwise; 0: for ever.
        law: which words of a retention rule mean it.
        within: the kind whose rows carry these; they go with them at the latest.
    """

    name: str
    what: str
    days: int
    law: tuple[str, ...] = ()
    within: str | None = None


KINDS: Final[tuple[Kind, ...]] = (
    Kind("transcripts", "what was said in calls, turn by turn", 1827, ("transcript",), "call_records"),
    Kind("answers", "typed answers and summaries", 1827, ("answer",), "call_records"),
    Kind("recordings", "the sound of calls, deleted at Twilio", 365, ("recording",), "call_records"),
    Kind("webhooks", "Twilio's callbacks as they came", 90, ("webhook",), "call_records"),
    Kind("call_records", "attempts with outcomes and sessions", 1827, ("record",)),
    Kind("lookups", "what was looked up about numbers, and its price", 1827, ("look-up",)),
    Kind("decisions", "why numbers were or weren't called", 1827, ("decision",)),
    Kind(
        "contacts", "contacts with their consent, once no call of theirs is kept or planned", 0, ("consent",)
    ),
    Kind("rejected_rows", "rows that imports rejected", 90, ("rejected",)),
    Kind("audit", "who did what", 0, ("record", "consent", "audit")),
)
"""In the order in which they are removed: what hangs on a call before the call."""
BY_NAME: Final[Mapping[str, Kind]] = {kind.name: kind for kind in KINDS}


@dataclass(frozen=True, slots=True)
class Floor:
    """The longest that any pack demands for a kind: days, and the rule's id and source."""

    days: int
    rule: str
    cite: str


@dataclass(frozen=True, slots=True)
class Keep:
    """How long a kind is kept, and why.

    Attributes:
        days: 0: for ever.
        floor: what the law demands, if anything.
        chosen: the settings say so; else it is our default, or the floor where that is longer.
    """

    kind: Kind
    days: int
    floor: Floor | None
    chosen: bool

    def before(self, now: datetime) -> datetime | None:
        """What is older than this instant is removed; None: nothing."""
        return now - timedelta(days=self.days) if self.days else None

    @property
    def why(self) -> str:
        """For people: where the figure comes from."""
        if self.chosen:
            said = f"{SETTING} says so"
        elif self.floor is not None and self.days == self.floor.days:
            said = f"demanded by {self.floor.rule}"
        else:
            said = "our default"
        if self.floor is None or (self.days == self.floor.days and not self.chosen):
            return said
        return f"{said}; {self.floor.rule} demands {self.floor.days} days"


def floors(rulebook: Rulebook, on: date) -> dict[str, Floor]:
    """Kind → the longest retention that any rule in force demands. A rule about something that we have no
    word for binds every kind."""
    found: dict[str, Floor] = {}
    for rule in (rule for pack in rulebook.packs for rule in pack.rules):
        terms = rule.terms
        if not isinstance(terms, Retention) or not rule.in_force(on):
            continue
        what = terms.what.lower()
        meant = [kind for kind in KINDS if any(word in what for word in kind.law)] or list(KINDS)
        for kind in meant:
            before = found.get(kind.name)
            if before is None or before.days < terms.days:
                found[kind.name] = Floor(terms.days, rule.id, rule.source.cite)
    return found


def policy(setting: str | None, rulebook: Rulebook, on: date) -> tuple[Keep, ...]:
    """How long each kind is kept.

    Args:
        setting: "transcripts=730, webhooks=30"; 0 keeps for ever. None: the defaults.
        on: the day on which rules must be in force.

    Raises:
        SettingsError: an unknown kind, no number of days, or fewer than a rule demands.
    """
    chosen, least = _read(setting or ""), floors(rulebook, on)
    kept: dict[str, Keep] = {}
    for kind in KINDS:
        floor = least.get(kind.name)
        days = chosen.get(kind.name, kind.days)
        if floor is not None and days != FOR_EVER and days < floor.days:
            if kind.name in chosen:
                raise SettingsError(
                    f"{SETTING} keeps {kind.name} for {days} days; {floor.rule} ({floor.cite}) demands "
                    f"{floor.days}.",
                    f"Write {kind.name}={floor.days} or more, or 0 for ever.",
                    rule=floor.rule,
                )
            days = floor.days
        kept[kind.name] = Keep(kind, days, floor, kind.name in chosen)
    return tuple(_no_longer_than(one, kept) for one in kept.values())


def _no_longer_than(one: Keep, kept: Mapping[str, Keep]) -> Keep:
    """What hangs on a call goes with it at the latest."""
    carrier = kept.get(one.kind.within or "")
    if carrier is None or not carrier.days or (one.days and one.days <= carrier.days):
        return one
    return Keep(one.kind, carrier.days, one.floor, one.chosen)


def _read(setting: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for part in filter(None, (part.strip() for part in setting.split(","))):
        name, equals, days = (piece.strip() for piece in part.partition("="))
        if name not in BY_NAME:
            raise SettingsError(
                f"{SETTING} names {name[:40]!r}, which is no kind of record.", f"Kinds: {_listed(BY_NAME)}."
            )
        if not equals or not days.isascii() or not days.isdigit() or int(days) > LONGEST_DAYS:
            raise SettingsError(
                f"{SETTING}: {part[:60]!r} gives no number of days.",
                f"Write for example {name}=1827; 0 keeps for ever, {LONGEST_DAYS} is the most.",
            )
        found[name] = int(days)
    return found


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
