"""One rule of law as a value: what it demands (`Terms`), of which calls (`Scope`), since when, and where
that stands written (`Source`). Packs of rules are read by `rulebook.py`; what a rule means for one dial is
decided in `pack_rules.py`.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import lru_cache

from campaign.domain.calling_window import WeeklyHours
from campaign.domain.public_holidays import public_holidays

CONSENT_LEVELS = ("none", "ebr", "express_oral", "express_written")
"""From nothing through an existing business relationship to a signed agreement, weakest first."""

LIFTING = (*CONSENT_LEVELS[1:], "explicit_consent_dlt")
"""What a rule may name in `lifted_by`; the last is consent recorded on India's DLT platform."""

SCOPES = {
    "purpose": ("sales", "informational"),
    "party": ("consumer", "business", "unknown"),
    "voice": ("artificial", "live"),
    "line": ("mobile", "landline"),
}
STATUSES = ("in_force", "stayed", "proposed")


class Waiving(StrEnum):
    """Whether an admin may waive a rule for one campaign, with a reason and their name."""

    NEVER = "never"
    IF_PACK_SAYS = "if the pack says so"
    YES = "yes"


WAIVING: dict[str, tuple[Waiving, str]] = {
    "hours": (Waiving.IF_PACK_SAYS, "a call at a forbidden hour can't be undone"),
    "closed_days": (Waiving.YES, "the library's holidays are not always the statute's"),
    "region_pause": (Waiving.NEVER, "a halt is lifted, not waived"),
    "attempt_cap": (Waiving.YES, "statutes count by subject, and here all campaigns count together"),
    "consent": (Waiving.NEVER, "without consent an artificial voice may not call anybody"),
    "registry": (Waiving.YES, "only the age of its copy: who is on it is never called"),
    "internal_dnc": (Waiving.NEVER, "who asked not to be called is not called"),
    "revocation_scope": (Waiving.NEVER, "it says what a person has taken back"),
    "opt_out": (Waiving.NEVER, "a call must offer it"),
    "disclosure": (Waiving.NEVER, "a call must say it"),
    "abandonment": (Waiving.YES, "it is a safe harbour, and old calls weigh for thirty days"),
    "caller_number": (Waiving.YES, "which number may be shown can be agreed with the regulator"),
    "prohibition": (Waiving.YES, "whether it reaches this seller is for a lawyer to say"),
    "registration": (Waiving.YES, "exemptions exist that no pack knows"),
    "reassigned": (Waiving.YES, "only the age of the answer: a known new owner is never called"),
    "retention": (Waiving.NEVER, "it binds what is kept, not whom we call"),
}
"""Kind of rule → whether it can be waived, and why. Our own rules (do-not-call, one call at a time, number
class, regions, a known zone) are never waived. A pack may forbid for one rule what its kind permits
(`waivable = false`), and permit hours (`waivable = true`)."""
COUNTED_DAYS = 30
"""Abandoned calls are counted over so many days (47 CFR 64.1200(a)(7))."""


@dataclass(frozen=True, slots=True)
class Hours:
    """Open hours by the called party's clock, or by the fixed zone that the law names (`clock`)."""

    week: WeeklyHours
    clock: str = "called_party"


@dataclass(frozen=True, slots=True)
class ClosedDays:
    """Days without calls: the holidays of (country, subdivision) as the `holidays` package has them.

    `add` and `drop` correct the library where the statute's own list differs. Each entry is a date, or
    "MM-DD" for every year; `drop` also takes a holiday's name.
    """

    country: str
    subdivision: str
    add: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()

    def named(self, day: date) -> str | None:
        """The name of the closed day, or None when that date is not one."""
        return closed_days(self, day.year).get(day)


@dataclass(frozen=True, slots=True)
class RegionPause:
    """No calls from one local date to another (None: until it is lifted by hand), and why."""

    first: date
    last: date | None
    reason: str


@dataclass(frozen=True, slots=True)
class AttemptCap:
    """At most `count` attempts to a person within `window_hours`, over all numbers and all campaigns."""

    count: int
    window_hours: int
    key: str


@dataclass(frozen=True, slots=True)
class ConsentDemand:
    """At least this level of consent, not older than `expires_days` (0: until revoked)."""

    level: str
    expires_days: int


@dataclass(frozen=True, slots=True)
class Registry:
    """The number must not be on that registry, by a scrub at most `max_age_days` old.

    With `same_day` the scrub also lapses at the end of the called party's day on which it was made.
    """

    registry: str
    max_age_days: int
    same_day: bool


@dataclass(frozen=True, slots=True)
class InternalDnc:
    """The caller's own list: how fast a request is honoured (ISO 8601; BD: business days), how long kept."""

    honour_within: str
    keep_days: int


@dataclass(frozen=True, slots=True)
class RevocationScope:
    """What one revocation of consent reaches: this topic, or all of them."""

    value: str


@dataclass(frozen=True, slots=True)
class OptOut:
    """The means to opt out that a call must offer, and how soon, in seconds."""

    offer_within_s: float
    after_identification: bool
    end_call: bool


@dataclass(frozen=True, slots=True)
class Disclosure:
    """What must be said (rulebook.SAID), within so many seconds of the start."""

    say: tuple[str, ...]
    within_s: float


@dataclass(frozen=True, slots=True)
class Abandonment:
    """The greatest share of live-answered calls that may be abandoned, per campaign over `window_days`."""

    max_rate: float
    window_days: int
    per: str
    connect_within_s: float
    ring_min_s: float


@dataclass(frozen=True, slots=True)
class CallerNumber:
    """Regular expressions over the caller's E.164 number; an empty one demands nothing."""

    must_match: str
    must_not_match: str


@dataclass(frozen=True, slots=True)
class Prohibition:
    """Calls in this scope are barred; `reason` finishes the sentence "barred: ..."."""

    reason: str


@dataclass(frozen=True, slots=True)
class Registration:
    """Paper that the seller must have filed before calling: taken as done when somebody has recorded that it
    is (`campaign rules registered`), or when the campaign names the very region (or country) of the pack
    among its regions, and not only the country around it."""

    what: str


@dataclass(frozen=True, slots=True)
class Reassigned:
    """The number must have been checked for a new owner within so many days."""

    max_age_days: int


@dataclass(frozen=True, slots=True)
class Retention:
    """Records of that kind are kept at least so many days."""

    what: str
    days: int


Terms = (
    Hours
    | ClosedDays
    | RegionPause
    | AttemptCap
    | ConsentDemand
    | Registry
    | InternalDnc
    | RevocationScope
    | OptOut
    | Disclosure
    | Abandonment
    | CallerNumber
    | Prohibition
    | Registration
    | Reassigned
    | Retention
)


@dataclass(frozen=True, slots=True)
class Source:
    """Where a rule stands, and when somebody last read it there."""

    cite: str
    read_on: date
    url: str = ""
    quote: str = ""


@dataclass(frozen=True, slots=True)
class Scope:
    """Which calls a rule is about; an empty set means all. Facets: SCOPES."""

    purpose: frozenset[str] = frozenset()
    party: frozenset[str] = frozenset()
    voice: frozenset[str] = frozenset()
    line: frozenset[str] = frozenset()

    def covers(self, purpose: str, party: str, voice: str, lines: frozenset[str]) -> bool:
        """Whether a call of that purpose to that party is meant; `lines` holds every line type it may be."""
        return (
            (not self.purpose or purpose in self.purpose)
            and (not self.party or party in self.party)
            and (not self.voice or voice in self.voice)
            and (not self.line or not self.line.isdisjoint(lines))
        )

    def in_words(self) -> str:
        """ "sales calls · consumer or unknown party", or "all calls"."""
        parts = [
            " or ".join(sorted(values)) + f" {word}"
            for values, word in (
                (self.purpose, "calls"),
                (self.party, "party"),
                (self.voice, "voice"),
                (self.line, "line"),
            )
            if values
        ]
        return " · ".join(parts) or "all calls"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a pack: when it binds, whom, what it demands, and where that stands written."""

    id: str
    kind: str
    terms: Terms
    scope: Scope
    status: str
    effective_from: date
    effective_to: date | None
    source: Source
    lifted_by: tuple[str, ...] = ()
    note: str = ""
    may_waive: bool | None = None
    """What the pack says about waiving it; None: nothing, so its kind decides."""

    @property
    def waivable(self) -> bool:
        """Whether an admin may waive it for a campaign."""
        waiving, _ = WAIVING[self.kind]
        if waiving is Waiving.NEVER or self.may_waive is False:
            return False
        return waiving is Waiving.YES or self.may_waive is True

    def in_force(self, on: date) -> bool:
        """Whether it is applied on that local date (first and last date included)."""
        return (
            self.status != "proposed"
            and self.effective_from <= on
            and (self.effective_to is None or on <= self.effective_to)
        )


@lru_cache(maxsize=2048)
def closed_days(terms: ClosedDays, year: int) -> dict[date, str]:
    """The closed days of that year with their names, observed days included."""
    days = {
        day: name
        for day, name in public_holidays(terms.country, terms.subdivision, year).items()
        if not {name, day.isoformat(), f"{day:%m-%d}"} & set(terms.drop)
    }
    for entry in terms.add:
        text = entry if len(entry) == 10 else f"{year}-{entry}"
        if text.startswith(str(year)) and not (text.endswith("02-29") and not _leap(year)):
            days.setdefault(date.fromisoformat(text), "closed by statute")
    return days


def _leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
