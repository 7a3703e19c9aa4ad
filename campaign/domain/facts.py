"""Everything that a decision looks at, gathered beforehand: `decide` reads nothing else.

A `CampaignPolicy` is shared by all contacts of a campaign; `Facts` holds what is known of one number of one
contact. Both turn into plain JSON and back, so that a decision that was kept can be made again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from campaign.domain.calling_window import ALWAYS, WeeklyHours
from campaign.domain.phone import NumberKind, PhoneNumber
from campaign.domain.place import Place
from campaign.domain.rule import CONSENT_LEVELS
from campaign.domain.script import DISCLOSED

EBR_DAYS = 90
"""How long an existing business relationship counts. The rule gives 18 months after a purchase and 3 after an
inquiry (47 CFR 64.1200(f)(5)); which of the two it was is not recorded, so the shorter holds."""


@dataclass(frozen=True, slots=True)
class Consent:
    """What the person agreed to: a level of CONSENT_LEVELS, since when, and where that is recorded."""

    level: str
    at: datetime | None = None
    source: str = ""

    def lifts(self, now: datetime) -> frozenset[str]:
        """The names under which this consent lifts rules at that instant (rule.LIFTING)."""
        names: set[str] = set()
        if self.level in ("express_oral", "express_written"):
            names.add("express_oral")
        if self.level == "express_written":
            names.add("express_written")
            if "dlt" in self.source.lower():
                names.add("explicit_consent_dlt")
        if self.level == "ebr" and self.at is not None and now - self.at <= timedelta(days=EBR_DAYS):
            names.add("ebr")
        return frozenset(names)

    @property
    def rank(self) -> int:
        """Position in CONSENT_LEVELS; an unknown word ranks as none."""
        return CONSENT_LEVELS.index(self.level) if self.level in CONSENT_LEVELS else 0


@dataclass(frozen=True, slots=True)
class DncHit:
    """The number stands on a do-not-call list.

    Args:
        list_name: the list's name; for a registry its registry name, such as "us-national-dnc".
        kind: "own" (all campaigns), "campaign", or "registry" (national, state, litigator lists).
        added_at: since when; for a number of a registry's copy, the copy's date.
        reason: why, in the words of whoever added it.
        version: of the registry's copy that has it.
    """

    list_name: str
    kind: str
    added_at: datetime
    reason: str = ""
    version: str = ""

    def in_words(self) -> str:
        """Where it stands, and since when or by which copy that is known."""
        if not self.version:
            return f"{self.list_name} since {self.added_at:%Y-%m-%d}"
        return f"{self.list_name} by its copy of {self.added_at:%Y-%m-%d} (version {self.version})"


@dataclass(frozen=True, slots=True)
class Scrub:
    """That the number was compared with a registry: its copy's date and version.

    `lacks`: the number's area code, when the copy doesn't have it: then nothing was compared.
    """

    as_of: datetime
    version: str = ""
    lacks: str | None = None

    def in_words(self) -> str:
        """The copy, for sentences."""
        number = f", version {self.version}" if self.version else ""
        return f"{self.as_of:%Y-%m-%d}{number}"


@dataclass(frozen=True, slots=True)
class Reassigned:
    """Whether the number has changed hands since consent was given: "yes", "no" or "no_data"; asked when."""

    answer: str
    asked_at: datetime


INVALID = "invalid"
"""The answer of a look-up for what is no valid number."""
UNSURE = frozenset({NumberKind.FIXED_OR_MOBILE, NumberKind.VOIP, NumberKind.UNKNOWN})
"""Kinds that don't tell whether it is a mobile."""


@dataclass(frozen=True, slots=True)
class LineType:
    """What a look-up said of the line: a value of NumberKind, or INVALID; asked when."""

    answer: str
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class Pause:
    """An operator's or a pack's halt for a country or region over local dates, both included."""

    region: str
    first: date
    last: date | None
    reason: str


@dataclass(frozen=True, slots=True)
class Waiver:
    """That somebody answers for not applying one rule of a pack to one campaign (domain/rule.py says which
    rules can be waived).

    Args:
        rule_id: of a pack's rule; reason: why, in the words of the one who answers for it.
        actor: who, as in the audit trail.
        at: since when; until: the instant from which it no longer counts, None: until it is taken back.
    """

    rule_id: str
    reason: str
    actor: str
    at: datetime
    until: datetime | None = None

    def holds(self, now: datetime) -> bool:
        """Whether it counts at that instant."""
        return self.until is None or now < self.until


@dataclass(frozen=True, slots=True)
class Registered:
    """That the seller has filed what a pack demands before calling: under what reference, by whose word."""

    pack: str
    reference: str
    actor: str
    at: datetime


@dataclass(frozen=True, slots=True)
class CampaignPolicy:
    """What a campaign allows, and how it stands at this moment.

    Args:
        name: for the sentences.
        purpose: "sales" or "informational".
        state: the campaign's state; only "running" dials.
        regions: countries ("US") and regions ("US-FL") that may be called; empty allows none.
        hours: weekly window on the contact's own clock; restricted: local dates without calls.
        starts_at, ends_at: the campaign's life; ends_at itself is already outside.
        minimum_consent: a level of CONSENT_LEVELS.
        attempts_per_number: most attempts to a number within limit_hours, over all campaigns; 0: no limit.
        min_gap_minutes: least time between two attempts to a number, over all campaigns.
        pauses: regions halted by hand.
        all_stopped: `stop --all` is in force.
        version: of the campaign's definition.
        line_type_days, reassigned_days: the campaign asks what line it is, or whether the number has a new
            owner, and so many days an answer holds; 0: it doesn't ask.
        waivers: rules that somebody has waived for this campaign; registered: what the seller has filed.
        says: what the first lines of the script tell, of script.DISCLOSED.
        live_answered, abandoned: calls of the last 30 days answered by a person; of these, abandoned.
            None when they were not counted.
    """

    name: str
    purpose: str
    regions: frozenset[str]
    state: str = "running"
    hours: WeeklyHours = ALWAYS
    restricted: frozenset[date] = frozenset()
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    minimum_consent: str = "none"
    attempts_per_number: int = 0
    limit_hours: int = 24
    min_gap_minutes: int = 0
    pauses: tuple[Pause, ...] = ()
    all_stopped: bool = False
    version: int = 0
    waivers: tuple[Waiver, ...] = ()
    registered: tuple[Registered, ...] = ()
    live_answered: int | None = None
    abandoned: int = 0
    line_type_days: int = 0
    reassigned_days: int = 0
    says: frozenset[str] = DISCLOSED


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one number of one contact, for one campaign, at one moment.

    Args:
        party: "consumer", "business" or "unknown".
        dnc: every list that has the number; scrubs: registry name → the last comparison with it.
        reassigned, line_type: the look-ups that hold for this number and this consent, however old; None also
            when the campaign doesn't ask.
        attempts: when this number was tried, by any campaign, as far back as the greatest cap looks
            (30 days), in any order; attempts that never reached the network don't belong here.
        elsewhere: the same of the person's other numbers; caps of law count a person, not a number.
        attempts_made, attempts_allowed: of this contact in this campaign, over all its numbers.
        unsettled_since: when an attempt to any number of this person began, by any campaign, that has not
            ended yet.
        callers: the campaign's E.164 numbers that have calls left today, the one to use first in front.
        reserve: what the longest call allowed would cost; None when there is no price for the destination.
        money_left: what the campaign may still spend today and in all; None when it has no cap.
        callback_due: the person asked to be called at about this time; lifts only the campaign's own gap.
        voice: "artificial", or "live" for a person who dials.
    """

    number: PhoneNumber
    place: Place
    policy: CampaignPolicy
    party: str = "unknown"
    consent: Consent | None = None
    dnc: tuple[DncHit, ...] = ()
    scrubs: Mapping[str, Scrub] = field(default_factory=dict)
    reassigned: Reassigned | None = None
    attempts: tuple[datetime, ...] = ()
    elsewhere: tuple[datetime, ...] = ()
    attempts_made: int = 0
    attempts_allowed: int = 1
    unsettled_since: datetime | None = None
    callers: tuple[str, ...] = ()
    reserve: Decimal | None = Decimal(0)
    money_left: Decimal | None = None
    callback_due: bool = False
    voice: str = "artificial"
    line_type: LineType | None = None

    @property
    def kind(self) -> NumberKind:
        """What sort of line it is: by its look-up, else as far as the number tells."""
        if self.line_type is None or self.line_type.answer == INVALID:
            return self.number.kind
        return NumberKind(self.line_type.answer)


def facts_to_json(facts: Facts) -> dict[str, Any]:
    """Plain values for a JSON column; `facts_from_json` is the inverse."""
    plain: dict[str, Any] = msgspec.to_builtins(facts)
    return plain


def facts_from_json(value: Mapping[str, Any]) -> Facts:
    """Facts as they were kept, so that their decision can be made again.

    Raises:
        msgspec.ValidationError: not something that facts_to_json wrote.
    """
    return msgspec.convert(value, Facts)


_MOBILE, _FIXED = frozenset({"mobile"}), frozenset({"landline"})


def lines_of(kind: NumberKind) -> frozenset[str]:
    """The line types that rules may mean: what is not certain counts as mobile and as landline."""
    match kind:
        case NumberKind.MOBILE:
            return _MOBILE
        case NumberKind.FIXED:
            return _FIXED
        case _:
            return _MOBILE | _FIXED


def fresh(asked_at: datetime, days: int, now: datetime) -> bool:
    """Whether an answer of that instant still holds."""
    return now - asked_at <= timedelta(days=days)


def utc(at: datetime) -> str:
    """An instant for people: "2026-11-20 14:00 UTC"; seconds only when there are any."""
    moment = at.astimezone(UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment.second else f"{moment:%Y-%m-%d %H:%M} UTC"
