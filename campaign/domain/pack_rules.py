"""What one rule of a pack means for one dial.

`judge_of` turns a rule into a function of (facts, now) once per place; all that does not change from one
contact to the next (zones, citations, sentences that allow) is worked out there, so that judging a batch is
cheap. Rules that bind conversations or records, not dials (an opt-out offered within two seconds, say),
allow the dial and say where they are held.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from math import ceil
from typing import Final, assert_never

from campaign.domain.abandonment import Counted
from campaign.domain.calling_window import ALWAYS, CallingWindow, Clause, WeeklyHours, hours_in_words
from campaign.domain.decision import Ground, RuleVerdict, Verdict
from campaign.domain.facts import Facts, Waiver, fresh, utc
from campaign.domain.rule import (
    CONSENT_LEVELS,
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
    Terms,
)

Judge = Callable[[Facts, datetime], RuleVerdict]

NEVER = WeeklyHours(((),) * 7)

LEVEL_WORDS = dict(
    zip(
        CONSENT_LEVELS,
        ("no consent", "a business relationship", "express consent", "express written consent"),
        strict=True,
    )
)


@dataclass(frozen=True, slots=True)
class Cited:
    """A rule's name and citation, ready to be put on verdicts."""

    rule_id: str
    kind: str
    source: str = ""

    def allow(self, why: str, ground: Ground = Ground.CONTACT) -> RuleVerdict:
        return RuleVerdict(self.rule_id, self.kind, Verdict.ALLOW, why, ground, None, self.source)

    def defer(self, why: str, until: datetime | None, ground: Ground) -> RuleVerdict:
        return RuleVerdict(self.rule_id, self.kind, Verdict.DEFER, why, ground, until, self.source)

    def block(self, why: str, ground: Ground = Ground.CONTACT) -> RuleVerdict:
        return RuleVerdict(self.rule_id, self.kind, Verdict.BLOCK, why, ground, None, self.source)


def clauses_of(rule: Rule, zones: Iterable[str], waiver: Waiver | None = None) -> tuple[Clause, ...]:
    """The hours, closed days or pause of a rule on every zone's wall clock; empty for other kinds.

    Args:
        waiver: of that rule: its clauses bind from the waiver's end on, or not at all.
    """
    if waiver is not None and waiver.until is None:
        return ()
    clauses = _clauses(rule, zones)
    if waiver is None or waiver.until is None:
        return clauses
    end = ceil(waiver.until.timestamp())
    return tuple(replace(clause, waived_until=end) for clause in clauses)


def _clauses(rule: Rule, zones: Iterable[str]) -> tuple[Clause, ...]:
    first, last = rule.effective_from, rule.effective_to
    match rule.terms:
        case Hours(week, clock):
            clocks = zones if clock == "called_party" else (clock,)
            return tuple(Clause(zone, week, None, first, last, rule.id) for zone in clocks)
        case ClosedDays() as days:
            return tuple(Clause(zone, ALWAYS, days.named, first, last, rule.id) for zone in zones)
        case RegionPause() as pause:
            return pause_clauses(
                rule.id,
                zones,
                max(first, pause.first),
                min(filter(None, (last, pause.last)), default=None),
                pause.reason,
            )
        case _:
            return ()


def pause_clauses(
    rule_id: str, zones: Iterable[str], first: date, last: date | None, reason: str
) -> tuple[Clause, ...]:
    """Shut from one local date to another, both included; without a last one, until further notice."""
    return tuple(Clause(zone, ALWAYS, lambda _: reason, first, last, rule_id) for zone in zones)


def window_judge(cited: Cited, clauses: tuple[Clause, ...], margin: int) -> Judge:
    """Open: allow. Shut, or about to shut within `margin` seconds: defer to the next opening, or block
    when there is none within the horizon. Every zone that is shut is named."""
    window = CallingWindow(clauses)
    kept: tuple[float, RuleVerdict] | None = None
    kept_shut: tuple[float, float | None, RuleVerdict] | None = None  # of one minute: the sentence tells it

    def judge(_: Facts, now: datetime) -> RuleVerdict:
        nonlocal kept, kept_shut
        span = window.span(now)
        if span.open and span.end is None:
            return cited.allow("It is open and stays so.", Ground.TIME)
        if span.open and span.end is not None and span.end - now.timestamp() > margin:
            if kept is None or kept[0] != span.end:
                kept = (span.end, cited.allow(_closing(window, now), Ground.TIME))
            return kept[1]
        minute = now.timestamp() // 60
        if kept_shut is not None and not span.open and kept_shut[:2] == (minute, span.end):
            return kept_shut[2]
        until = window.next_open(now, margin)
        if span.open:
            why = f"{_closing(window, now)} Dialling stops {margin} s before."
        else:
            why = " ".join(_shut(clause, now) for clause in window.shut_clauses(now))
        if until is None:
            verdict = cited.block(f"{why} It does not open within 60 days.")
        else:
            verdict = cited.defer(f"{why} Next opening: {utc(until)}.", until, Ground.TIME)
        if not span.open:
            kept_shut = (minute, span.end, verdict)
        return verdict

    return judge


def _closing(window: CallingWindow, now: datetime) -> str:
    end, clause = window.closes_at(now), window.closing_clause(now)
    assert end is not None
    assert clause is not None
    return f"It is open until {clause.local(end):%H:%M} in {clause.zone}."


def _shut(clause: Clause, now: datetime) -> str:
    local = clause.local(now)
    name = clause.closed(local.date()) if clause.closed else None
    if name:
        return f"{local:%A} {local.day} {local:%B} is closed in {clause.zone} ({name})."
    hours = hours_in_words(clause.hours.on(local.date()))
    return f"It is {local:%H:%M} on {local:%A} in {clause.zone}, where the day's hours are {hours}."


def judge_of(rule: Rule, zones: tuple[str, ...], margin: int) -> Judge:
    """The function that judges a dial by that rule.

    Args:
        rule: a rule whose scope covers the call and that no consent lifts.
        zones: every zone in which the person may be; known to the time-zone database.
        margin: seconds before a closing at which dialling stops.
    """
    cited = Cited(rule.id, rule.kind, rule.source.cite)
    match rule.terms:
        case Hours() | ClosedDays() | RegionPause():
            return window_judge(cited, clauses_of(rule, zones), margin)
        case AttemptCap(count, hours):
            return lambda facts, now: cap_verdict(
                cited, count, hours, (*facts.attempts, *facts.elsewhere), now, "person"
            )
        case ConsentDemand(level, expires_days):
            return lambda facts, now: consent_verdict(cited, level, expires_days, facts, now)
        case Registry() as terms:
            return _registry(cited, terms, zones)
        case InternalDnc():
            return _internal_dnc(cited)
        case Abandonment() as terms:
            return _abandonment(cited, terms)
        case CallerNumber() as terms:
            return _caller_number(cited, terms)
        case Prohibition(reason):
            return _always(cited.block(f"Such calls are barred: {reason}."))
        case Registration() as terms:
            return _registration(cited, terms)
        case Reassigned() as terms:
            return lambda facts, now: new_owner_verdict(cited, terms.max_age_days, facts, now)
        case OptOut():
            return _said(cited, ("opt_out",))
        case Disclosure(say):
            return _said(cited, say)
        case RevocationScope() | Retention():
            return _always(cited.allow("Binds what is recorded and how long, not the dial."))
        case _:
            assert_never(rule.terms)


def under_waiver(judge: Judge, rule: Rule, waiver: Waiver, margin: int) -> Judge:
    """The judge of a rule that somebody has waived: it allows what it would not, and says by whose word.

    What a waiver can't reach stays: a number that is on a registry, one that is known to have a new owner.
    Within `margin` seconds of its end a waiver no longer counts, as with a window that closes.
    """
    until = f" until {utc(waiver.until)}" if waiver.until else ""
    head = f"Waived by {waiver.actor} on {waiver.at:%Y-%m-%d}{until} because {waiver.reason.rstrip('.')}."

    def judged(facts: Facts, now: datetime) -> RuleVerdict:
        verdict = judge(facts, now)
        if verdict.verdict is Verdict.ALLOW or not waiver.holds(now + timedelta(seconds=margin)):
            return verdict
        if _beyond_waiving(rule.terms, facts):
            return verdict
        why = f"{head} Without that: {verdict.why}"
        return RuleVerdict(
            rule.id, rule.kind, Verdict.ALLOW, why, Ground.CAMPAIGN, None, rule.source.cite, waived=True
        )

    return judged


def _beyond_waiving(terms: Terms, facts: Facts) -> bool:
    match terms:
        case Registry(name):
            return any(hit.kind == "registry" and hit.list_name == name for hit in facts.dnc)
        case Reassigned():
            return facts.reassigned is not None and facts.reassigned.answer == "yes"
        case _:
            return False


_SAID_WORDS: Final = {
    "ai": "that an AI speaks (script.lines.disclosure_ai)",
    "business_name": "the seller's name ({{ seller_name }} in script.lines.disclosure_ai or the greeting)",
    "opt_out": "how to stop the calls (script.lines.disclosure_opt_out)",
}


def _said(cited: Cited, demanded: Sequence[str]) -> Judge:
    """Whether the first lines of the script tell what they must; the rest comes up in the call itself."""
    judged = [what for what in demanded if what in _SAID_WORDS]

    def judge(facts: Facts, now: datetime) -> RuleVerdict:
        missing = [_SAID_WORDS[what] for what in judged if what not in facts.policy.says]
        if missing:
            return cited.block(f"The script must say first, and doesn't: {'; '.join(missing)}.")
        return cited.allow("The script's first lines say it, and can't be interrupted.")

    return judge


def _always(verdict: RuleVerdict) -> Judge:
    return lambda facts, now: verdict


def cap_verdict(
    cited: Cited, count: int, hours: int, attempts: Sequence[datetime], now: datetime, whom: str
) -> RuleVerdict:
    """At most `count` attempts in any `hours`; the attempt that is `hours` old no longer counts.

    Args:
        attempts: when they were made, in any order.
        whom: "person" or "number", for the sentence.
    """
    since = now - timedelta(hours=hours)
    recent = sorted(at for at in attempts if at > since)
    if len(recent) < count:
        return cited.allow(f"{len(recent)} of {count} attempts to this {whom} in {hours} h.", Ground.TIME)
    if count == 0:
        return cited.block("No attempt is allowed.", Ground.NUMBER)
    until = recent[-count] + timedelta(hours=hours)
    why = f"{len(recent)} of {count} attempts to this {whom} in {hours} h; one is free again at {utc(until)}."
    return cited.defer(why, until, Ground.TIME)


def consent_verdict(cited: Cited, level: str, expires_days: int, facts: Facts, now: datetime) -> RuleVerdict:
    """At least that level, dated (where it expires) and not older than `expires_days`."""
    consent, needed = facts.consent, CONSENT_LEVELS.index(level)
    if needed == 0:
        return cited.allow("No consent is demanded.")
    words = LEVEL_WORDS[level]
    if consent is None or consent.rank == 0:
        if consent is not None and consent.at is not None:
            return cited.block(
                f"This call needs {words}; what there was, was revoked on {consent.at:%Y-%m-%d}."
            )
        return cited.block(f"This call needs {words}; none is recorded.")
    if consent.rank < needed:
        return cited.block(f"This call needs {words}; only {LEVEL_WORDS[consent.level]} is recorded.")
    if consent.at is not None and consent.at > now:
        return cited.block(f"The consent is dated {consent.at:%Y-%m-%d}, which lies ahead.")
    if consent.level == "ebr" and "ebr" not in consent.lifts(now):
        return cited.block("The business relationship is undated or older than 90 days.")
    if expires_days and (consent.at is None or now - consent.at > timedelta(days=expires_days)):
        dated = f"is of {consent.at:%Y-%m-%d}" if consent.at else "has no date"
        return cited.block(f"The consent {dated}; it holds for {expires_days} days.")
    where = f" of {consent.at:%Y-%m-%d}" if consent.at else ""
    return cited.allow(f"{LEVEL_WORDS[consent.level].capitalize()}{where} is recorded.")


def _registry(cited: Cited, terms: Registry, zones: tuple[str, ...]) -> Judge:
    """On the registry: block. No copy of it, one that is too old, or one without the number's area code:
    wait, for whether the number is on it isn't known. A fresh copy ends that (flow/registries.py)."""
    clocks = [Clause(zone, ALWAYS) for zone in zones]
    name = terms.registry

    def judge(facts: Facts, now: datetime) -> RuleVerdict:
        for hit in facts.dnc:
            if hit.kind == "registry" and hit.list_name == terms.registry:
                return cited.block(f"The number is on {hit.in_words()}.", Ground.NUMBER)
        scrub = facts.scrubs.get(name)
        if scrub is None:
            why = f"The number has not been compared with {name}; load that registry first."
            return cited.defer(why, None, Ground.CONTACT)
        if scrub.lacks is not None:
            why = f"Area code {scrub.lacks} is not in the copy of {name} ({scrub.in_words()}); load it first."
            return cited.defer(why, None, Ground.CONTACT)
        age = now - scrub.as_of
        lapsed = terms.same_day and any(
            clock.local(scrub.as_of).date() != clock.local(now).date() for clock in clocks
        )
        if age > timedelta(days=terms.max_age_days) or lapsed:
            limit = "the same day" if terms.same_day else f"{terms.max_age_days} days"
            why = f"The copy of {name} is {age.days} days old ({scrub.in_words()}); {limit} at most."
            return cited.defer(why, None, Ground.CONTACT)
        why = f"Not on {name} by its copy of {scrub.in_words()}."
        basis = f"{name}@{scrub.version}" if scrub.version else ""
        return RuleVerdict(
            cited.rule_id, cited.kind, Verdict.ALLOW, why, Ground.NUMBER, source=cited.source, basis=basis
        )

    return judge


def _internal_dnc(cited: Cited) -> Judge:
    clear = cited.allow("Not on our own do-not-call lists.", Ground.NUMBER)

    def judge(facts: Facts, now: datetime) -> RuleVerdict:
        for hit in facts.dnc:
            if hit.kind != "registry":
                why = f"The number is on our list {hit.list_name} since {hit.added_at:%Y-%m-%d}."
                return cited.block(why, Ground.NUMBER)
        return clear

    return judge


def _abandonment(cited: Cited, terms: Abandonment) -> Judge:
    uncounted = cited.allow(
        f"Not counted for this dial; the ceiling is {terms.max_rate:.1%} of the answered calls.",
        Ground.CAMPAIGN,
    )

    def judge(facts: Facts, now: datetime) -> RuleVerdict:
        policy = facts.policy
        if policy.live_answered is None:
            return uncounted
        counted = Counted(policy.live_answered, policy.abandoned)
        why = f"{counted.in_words()}; the ceiling is {terms.max_rate:.1%}."
        if counted.over(terms.max_rate):
            return cited.defer(why, None, Ground.CAMPAIGN)
        return cited.allow(why, Ground.CAMPAIGN)

    return judge


def caller_accepted(terms: CallerNumber, caller: str) -> bool:
    """Whether that E.164 number may be shown by the rule."""
    if terms.must_match and not re.search(terms.must_match, caller):
        return False
    return not (terms.must_not_match and re.search(terms.must_not_match, caller))


def _caller_number(cited: Cited, terms: CallerNumber) -> Judge:
    def judge(facts: Facts, now: datetime) -> RuleVerdict:
        callers = facts.callers
        if any(caller_accepted(terms, caller) for caller in callers):
            return clear
        if not callers:
            return none_left
        return cited.block(f"None of the caller ids may be shown there ({', '.join(callers)}); {needs}.")

    clear = cited.allow("A caller id of the campaign may be shown.", Ground.CAMPAIGN)
    none_left = cited.allow("There is no caller id to judge; see campaign.callers.", Ground.CAMPAIGN)
    needs = " and ".join(
        text
        for text in (
            f"the number must match {terms.must_match}" if terms.must_match else "",
            f"it must not match {terms.must_not_match}" if terms.must_not_match else "",
        )
        if text
    )
    return judge


def _registration(cited: Cited, terms: Registration) -> Judge:
    region = cited.rule_id.split(".")[0]
    done = cited.allow(f"The campaign names {region} itself: {terms.what} is taken as done.", Ground.CAMPAIGN)
    missing = cited.block(
        f"Needed first: {terms.what}. Once it is done, record it with `campaign rules registered {region}`, "
        f"or name {region} itself among the campaign's regions."
    )

    def judge(facts: Facts, now: datetime) -> RuleVerdict:
        for one in facts.policy.registered:
            if one.pack == region:
                why = f"{terms.what} is recorded as done ({one.reference}; {one.actor}, {one.at:%Y-%m-%d})."
                return cited.allow(why[0].upper() + why[1:], Ground.CAMPAIGN)
        return done if region in facts.policy.regions else missing

    return judge


def new_owner_verdict(cited: Cited, days: int, facts: Facts, now: datetime) -> RuleVerdict:
    """Whether the number has changed hands since consent, by an answer at most so many days old; a "yes"
    never ages. Without an answer it waits for one; without a date of consent there is nothing to ask."""
    check = facts.reassigned
    if check is not None and check.answer == "yes":
        why = f"The number has a new owner since consent was given (asked on {check.asked_at:%Y-%m-%d})."
        return cited.block(why, Ground.NUMBER)
    if check is None or not fresh(check.asked_at, days, now):
        if facts.consent is None or facts.consent.at is None:
            why = "Whether the number has a new owner is asked by the date of consent, and none is recorded."
            return cited.block(why)
        when = "never asked" if check is None else f"asked last on {check.asked_at:%Y-%m-%d}"
        why = f"It waits for its check for a new owner: {when}; an answer holds {days} days."
        return cited.defer(why, None, Ground.LOOKUP)
    return cited.allow(f"No new owner is known ({check.answer}).", Ground.NUMBER)
