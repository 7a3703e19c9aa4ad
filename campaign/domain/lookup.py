"""Look-ups: what is asked about a number before it is dialled, and what the answers mean for the dial.

Two things are asked, each for a price: what line it is (the numbering plan of North America doesn't tell a
mobile from a landline), and whether it has had a new owner since consent was given. A campaign asks when its
`[checks]` say so; a pack may demand the second (kind `reassigned`). Until the answer is there the contact
waits; an answer that is too old is asked for again.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from campaign.domain.decision import Decision, Ground, RuleVerdict, Verdict
from campaign.domain.facts import INVALID, UNSURE, Facts, LineType, Reassigned, fresh
from campaign.domain.pack_rules import Cited, new_owner_verdict
from campaign.domain.phone import NumberKind

LINE_TYPE_DAYS = 15
"""How long an answer about the line holds. A landline that was ported to a mobile may be called as before for
15 days (47 CFR 64.1200(a)(1)(iv)), so an answer of that age can't have become a violation."""
REASSIGNED_DAYS = 30
"""How long an answer about the owner holds at most: a number that was given up rests for 45 days before it
gets a new owner (47 CFR 52.15(f)(1)(ii)), so whoever has it within 30 days of a "no" is the same person."""


class Want(StrEnum):
    """What can be asked about a number; also the kind of the rules that wait for it."""

    LINE_TYPE = "line_type"
    REASSIGNED = "reassigned"

    @property
    def words(self) -> str:
        """ "line-type check", for sentences."""
        return "line-type check" if self is Want.LINE_TYPE else "check for a new owner"


@dataclass(frozen=True, slots=True)
class Finding:
    """One answer, worth keeping.

    Args:
        answer: of LINE_TYPE a value of NumberKind, or INVALID; of REASSIGNED "yes", "no" or "no_data".
        about: the date of consent that REASSIGNED was asked for.
        detail: what else was said of the line (the provider's own word, the carrier's name, an error code);
            never anything about the person.
        charged: whether it costs something.
    """

    want: Want
    answer: str
    about: date | None = None
    detail: Mapping[str, str | int] = field(default_factory=dict)
    charged: bool = True


@dataclass(frozen=True, slots=True)
class Lack:
    """What was asked and not answered.

    Args:
        sentence, do: what happened, and what to do about it.
        everyone: every look-up of this sort fails alike until somebody acts; else it is this number's
            trouble, and may be over later.
    """

    want: Want
    code: int
    sentence: str
    do: str = ""
    everyone: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one look-up: for each want a finding or a lack."""

    findings: tuple[Finding, ...] = ()
    lacks: tuple[Lack, ...] = ()


@dataclass(frozen=True, slots=True)
class Known:
    """A finding that was kept, and when it was asked."""

    want: Want
    answer: str
    about: date | None
    asked_at: datetime
    detail: Mapping[str, str | int] = field(default_factory=dict)


def consent_date(at: datetime | None) -> date | None:
    """The date of consent as registries are asked about it: the UTC day."""
    return None if at is None else at.date()


def line_of(known: Iterable[Known]) -> LineType | None:
    """The latest answer about the line."""
    lines = [one for one in known if one.want is Want.LINE_TYPE]
    latest = max(lines, key=lambda one: one.asked_at, default=None)
    return LineType(latest.answer, latest.asked_at) if latest else None


def owner_of(known: Iterable[Known], since: date | None) -> Reassigned | None:
    """The latest answer about the owner that says something about the time since a date.

    "No" since an earlier date means no since a later one; "yes" since a later date means yes since an
    earlier one; "no_data" speaks for its own date only.
    """
    if since is None:
        return None
    telling = [
        one
        for one in known
        if one.want is Want.REASSIGNED
        and one.about is not None
        and (
            one.about == since
            or (one.answer == "no" and one.about < since)
            or (one.answer == "yes" and one.about > since)
        )
    ]
    latest = max(telling, key=lambda one: one.asked_at, default=None)
    return Reassigned(latest.answer, latest.asked_at) if latest else None


# ── rules ──────────────────────────────────────────────────────────────────────────────────────────────


def awaits_line_type(facts: Facts, now: datetime) -> bool:
    """Whether the campaign asks what line it is, the numbering plan doesn't tell, and no answer holds."""
    days = facts.policy.line_type_days
    if not days or facts.number.kind not in UNSURE:
        return False
    return facts.line_type is None or not fresh(facts.line_type.asked_at, days, now)


def line_type_verdict(facts: Facts, now: datetime) -> RuleVerdict:
    """The campaign's own demand to know what line it is."""
    if not facts.policy.line_type_days:
        return _LINE_UNASKED
    known = facts.line_type
    if awaits_line_type(facts, now):
        when = "never asked" if known is None else f"asked last on {known.asked_at:%Y-%m-%d}"
        why = f"It waits for its line-type check: {when}; an answer holds {facts.policy.line_type_days} days."
        return _LINE.defer(why, None, Ground.LOOKUP)
    if known is None:
        return _LINE_PLANNED
    if known.answer == INVALID:
        return _LINE.block("By its look-up this is no valid number.", Ground.NUMBER)
    return _LINE_TOLD[known.answer]


def owner_verdict(facts: Facts, now: datetime) -> RuleVerdict:
    """The campaign's own demand to know whether the number has a new owner."""
    days = facts.policy.reassigned_days
    return new_owner_verdict(_OWNER, days, facts, now) if days else _OWNER_UNASKED


def wanted(decision: Decision) -> frozenset[Want]:
    """What to ask so that a dial may become allowed; empty when anything else but the clock forbids it: then
    an answer would be paid for nothing."""
    against = decision.against
    if any(
        reason.verdict is Verdict.BLOCK or reason.ground not in (Ground.LOOKUP, Ground.TIME)
        for reason in against
    ):
        return frozenset()
    return frozenset(Want(reason.kind) for reason in against if reason.ground is Ground.LOOKUP)


_LINE = Cited("check.line_type", Want.LINE_TYPE.value)
_LINE_UNASKED = _LINE.allow("The campaign doesn't ask what line it is.", Ground.NUMBER)
_LINE_PLANNED = _LINE.allow("The numbering plan tells what line it is.", Ground.NUMBER)
_LINE_TOLD = {
    kind.value: _LINE.allow(f"By its look-up it is a {kind.value.replace('_', ' ')} line.", Ground.NUMBER)
    for kind in NumberKind
}
_OWNER = Cited("check.reassigned", Want.REASSIGNED.value)
_OWNER_UNASKED = _OWNER.allow("The campaign doesn't ask whether the number has a new owner.", Ground.NUMBER)
CHECKS: tuple[Callable[[Facts, datetime], RuleVerdict], ...] = (line_type_verdict, owner_verdict)
"""The rules of a campaign's `[checks]`."""
