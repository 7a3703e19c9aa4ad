"""What contacts wait for and what blocks them, in a word per kind of rule.

Rules are many and their ids are for lawyers; who asks why nothing is dialled wants to read "2,310 wait for
their window, 18 are blocked by the own do-not-call list".
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType

from campaign.domain.rulebook import Rulebook


class Cause(StrEnum):
    """Why a contact is not called now."""

    WINDOW = "window"
    LIMIT = "limit"
    RETRY = "retry"
    CALLBACK = "callback"
    BUSY = "busy"
    ABANDONMENT = "abandonment"
    OWN_DNC = "own_dnc"
    REGISTRY = "registry"
    CONSENT = "consent"
    ATTEMPTS = "attempts"
    CHECK = "check"
    PLACE = "place"
    REGION = "region"
    NUMBER = "number"
    LAW = "law"
    CALLERS = "callers"
    PRICE = "price"
    CAMPAIGN = "campaign"
    REMOVED = "removed"
    OTHER = "other"


_C = Cause
_BY_RULE = MappingProxyType(
    {
        "campaign.hours": _C.WINDOW,
        "campaign.restricted": _C.WINDOW,
        "campaign.pause": _C.WINDOW,
        "window.together": _C.WINDOW,
        "number.limit": _C.LIMIT,
        "number.gap": _C.LIMIT,
        "number.busy": _C.BUSY,
        "number.kind": _C.NUMBER,
        "contact.attempts": _C.ATTEMPTS,
        "contact.removed": _C.REMOVED,
        "check.line_type": _C.CHECK,
        "check.reassigned": _C.CHECK,
        "dnc.own": _C.OWN_DNC,
        "dnc.registries": _C.REGISTRY,
        "place.known": _C.PLACE,
        "campaign.regions": _C.REGION,
        "campaign.consent": _C.CONSENT,
        "campaign.budget": _C.PRICE,  # for one contact only when its country has no price
        "campaign.callers": _C.CALLERS,
        "campaign.state": _C.CAMPAIGN,
        "campaign.stop_all": _C.CAMPAIGN,
        "campaign.dates": _C.CAMPAIGN,
    }
)
_BY_KIND = MappingProxyType(
    {
        "hours": _C.WINDOW,
        "closed_days": _C.WINDOW,
        "region_pause": _C.WINDOW,
        "attempt_cap": _C.LIMIT,
        "one_call": _C.BUSY,
        "attempt_budget": _C.ATTEMPTS,
        "consent": _C.CONSENT,
        "registry": _C.REGISTRY,
        "internal_dnc": _C.OWN_DNC,
        "abandonment": _C.ABANDONMENT,
        "caller_number": _C.CALLERS,
        "reassigned": _C.CHECK,
        "line_type": _C.CHECK,
        "prohibition": _C.LAW,
        "registration": _C.LAW,
        "place": _C.PLACE,
        "region": _C.REGION,
        "number": _C.NUMBER,
        "campaign": _C.CAMPAIGN,
    }
)
_WAITS = MappingProxyType(
    {
        _C.WINDOW: "their window",
        _C.LIMIT: "another attempt to be allowed",
        _C.RETRY: "their retry",
        _C.CALLBACK: "the callback that they asked for",
        _C.BUSY: "the end of another call to the same number",
        _C.ABANDONMENT: "the share of abandoned calls to fall below the ceiling of the law",
        _C.REGISTRY: "a fresh copy of a do-not-call registry",
        _C.CHECK: "a check of the number",
        _C.CALLERS: "a caller id that may be used there",
        _C.CAMPAIGN: "the campaign",
    }
)
_BLOCKS = MappingProxyType(
    {
        _C.WINDOW: "because no hour within 60 days is open to them",
        _C.LIMIT: "by a limit of attempts",
        _C.OWN_DNC: "by our own do-not-call lists",
        _C.REGISTRY: "by a do-not-call registry",
        _C.CONSENT: "for want of consent",
        _C.ATTEMPTS: "because their attempts are used up",
        _C.CHECK: "for want of a check whether the number has a new owner",
        _C.PLACE: "because no zone, country or rule pack is known for them",
        _C.REGION: "because they are outside the campaign's regions",
        _C.NUMBER: "because such numbers are not called",
        _C.LAW: "by law",
        _C.CALLERS: "because no caller id may be shown there",
        _C.PRICE: "because calls to their country have no price",
        _C.CAMPAIGN: "by the campaign's own state or dates",
        _C.REMOVED: "because they were removed from their list",
    }
)
_SHORT = MappingProxyType(
    {
        _C.WINDOW: "window",
        _C.LIMIT: "attempt limit",
        _C.RETRY: "retry",
        _C.CALLBACK: "callback",
        _C.BUSY: "number busy",
        _C.ABANDONMENT: "abandonment ceiling",
        _C.OWN_DNC: "own DNC",
        _C.REGISTRY: "registry",
        _C.CONSENT: "no consent",
        _C.ATTEMPTS: "attempts used up",
        _C.CHECK: "number not checked",
        _C.PLACE: "unknown place",
        _C.REGION: "outside the regions",
        _C.NUMBER: "kind of number",
        _C.LAW: "barred by law",
        _C.CALLERS: "no caller id",
        _C.PRICE: "no price",
        _C.CAMPAIGN: "campaign",
        _C.REMOVED: "removed",
        _C.OTHER: "other rules",
    }
)


def cause_of(rule_id: str, rulebook: Rulebook) -> Cause:
    """The kind of reason that a rule is: ours by its id, a pack's by its kind."""
    if rule_id in _BY_RULE:
        return _BY_RULE[rule_id]
    kind = rulebook.kinds.get(rule_id)
    return _BY_KIND.get(kind, Cause.OTHER) if kind else Cause.OTHER


def short(cause: Cause) -> str:
    """Two words for lists of figures: "own DNC 12, no consent 6"."""
    return _SHORT[cause]


@dataclass(frozen=True, slots=True)
class Reason:
    """So many contacts that are not called now for one kind of reason.

    Args:
        waits: they are called later by themselves; False: blocked until somebody changes something.
        rules: rule id → contacts, the most first.
        next_at: when the first of those that wait is due.
    """

    waits: bool
    cause: Cause
    contacts: int
    rules: dict[str, int]
    next_at: datetime | None = None


def merged(found: Iterable[tuple[bool, Cause, str | None, int, datetime | None]]) -> list[Reason]:
    """Counts by kind of reason: those who wait first, then by number.

    Args:
        found: (waits, cause, rule or None, contacts, due at).
    """
    rules: dict[tuple[bool, Cause], dict[str, int]] = {}
    counts: dict[tuple[bool, Cause], int] = {}
    due: dict[tuple[bool, Cause], datetime] = {}
    for waits, cause, rule, contacts, at in found:
        key = (waits, cause)
        counts[key] = counts.get(key, 0) + contacts
        by_rule = rules.setdefault(key, {})
        if rule is not None:
            by_rule[rule] = by_rule.get(rule, 0) + contacts
        if at is not None:
            due[key] = min(at, due.get(key, at))
    return [
        Reason(waits, cause, counts[waits, cause], _by_number(rules[waits, cause]), due.get((waits, cause)))
        for waits, cause in sorted(counts, key=lambda key: (not key[0], -counts[key], key[1]))
    ]


def _by_number(counts: dict[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def phrase(reason: Reason, now: datetime) -> str:
    """For example "2,310 wait for their window (next opens 14:00 UTC)"."""
    if not reason.waits or reason.next_at is None:
        return words(reason)
    opens = "next opens" if reason.cause is Cause.WINDOW else "next"
    return f"{words(reason)} ({opens} {clock(reason.next_at, now)})"


def words(reason: Reason) -> str:
    """The same without the instant, for whoever shows that in another zone."""
    n = f"{reason.contacts:,}"
    if reason.waits:
        what = _WAITS.get(reason.cause) or f"{', '.join(reason.rules) or 'other rules'} to allow it"
        return f"{n} {'waits' if reason.contacts == 1 else 'wait'} for {what}"
    why = _BLOCKS.get(reason.cause) or f"by {', '.join(reason.rules) or 'other rules'}"
    return f"{n} {'is' if reason.contacts == 1 else 'are'} blocked {why}"


def clock(at: datetime, now: datetime) -> str:
    """ "14:00 UTC", with the date unless it is the same UTC day."""
    moment, today = at.astimezone(UTC), now.astimezone(UTC).date()
    return f"{moment:%H:%M} UTC" if moment.date() == today else f"{moment:%Y-%m-%d %H:%M} UTC"
