"""What one rule of a pack means for one dial.

`judge_of` turns a rule into a function of (facts, now) once per place; all that does not change from one
contact to the next (zones, citations, sentences that allow) is worked out there, so that judging a batch is
cheap. Rules that bind conversations or records, not dials (an opt-out offered within two seconds, say),
allow the dial and say where they are held.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import assert_never

from campaign.domain.calling_window import ALWAYS, CallingWindow, Clause, WeeklyHours, hours_in_words
from campaign.domain.decision import Ground, RuleVerdict, Verdict
from campaign.domain.facts import Facts, utc
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
)

Judge = Callable[[Facts, datetime], RuleVerdict]

NEVER = WeeklyHours(((),) * 7)
SMALL_SAMPLE = 100
"""Live-answered calls below which a campaign's abandonment is judged as if there had been so many: one
abandoned call among the first ten is no rate yet."""

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


def clauses_of(rule: Rule, zones: Iterable[str]) -> tuple[Clause, ...]:
    """The hours, closed days or pause of a rule on every zone's wall clock; empty for other kinds."""
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
            return lambda facts, now: cap_verdict(cited, count, hours, facts, now)
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
            return _reassigned(cited, terms)
        case OptOut() | Disclosure():
            return _always(cited.allow("Held when the script is published and in the call itself."))
        case RevocationScope() | Retention():
            return _always(cited.allow("Binds what is recorded and how long, not the dial."))
        case _:
            assert_never(rule.terms)


def _always(verdict: RuleVerdict) -> Judge:
    return lambda facts, now: verdict


def cap_verdict(cited: Cited, count: int, hours: int, facts: Facts, now: datetime) -> RuleVerdict:
    """At most `count` attempts in any `hours`; the attempt that is `hours` old no longer counts."""
    since = now - timedelta(hours=hours)
    recent = sorted(at for at in facts.attempts if at > since)
    if len(recent) < count:
        return cited.allow(f"{len(recent)} of {count} attempts to this number in {hours} h.", Ground.TIME)
    if count == 0:
        return cited.block("No attempt is allowed.", Ground.NUMBER)
    until = recent[-count] + timedelta(hours=hours)
    why = f"{len(recent)} of {count} attempts to this number in {hours} h; one is free again at {utc(until)}."
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
    clocks = [Clause(zone, ALWAYS) for zone in zones]

    def judge(facts: Facts, now: datetime) -> RuleVerdict:
        for hit in facts.dnc:
            if hit.kind == "registry" and hit.list_name == terms.registry:
                return cited.block(
                    f"The number is on {terms.registry} since {hit.added_at:%Y-%m-%d}.", Ground.NUMBER
                )
        scrub = facts.scrubs.get(terms.registry)
        if scrub is None:
            why = f"The number has not been compared with {terms.registry}; load that registry first."
            return cited.block(why)
        age = now - scrub.as_of
        lapsed = terms.same_day and any(
            clock.local(scrub.as_of).date() != clock.local(now).date() for clock in clocks
        )
        if age > timedelta(days=terms.max_age_days) or lapsed:
            limit = "the same day" if terms.same_day else f"{terms.max_age_days} days"
            why = (
                f"The copy of {terms.registry} is {age.days} days old ({utc(scrub.as_of)}); {limit} at most."
            )
            return cited.block(why)
        return cited.allow(f"Not on {terms.registry} by its copy of {scrub.as_of:%Y-%m-%d}.", Ground.NUMBER)

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
        figures = f"{policy.abandoned} of {policy.live_answered} answered calls abandoned"
        if policy.abandoned > terms.max_rate * max(policy.live_answered, SMALL_SAMPLE):
            why = f"{figures} in {terms.window_days} days, over the ceiling of {terms.max_rate:.1%}."
            return cited.defer(why, None, Ground.CONTACT)
        return cited.allow(f"{figures}; the ceiling is {terms.max_rate:.1%}.", Ground.CAMPAIGN)

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
        f"Needed first: {terms.what}. Once it is done, name {region} itself among the campaign's regions."
    )
    return lambda facts, now: done if region in facts.policy.regions else missing


def _reassigned(cited: Cited, terms: Reassigned) -> Judge:
    def judge(facts: Facts, now: datetime) -> RuleVerdict:
        check = facts.reassigned
        if check is None or now - check.asked_at > timedelta(days=terms.max_age_days):
            when = "never" if check is None else f"last on {check.asked_at:%Y-%m-%d}"
            why = f"Asked {when} whether the number has a new owner; {terms.max_age_days} days at most."
            return cited.block(why, Ground.NUMBER)
        if check.answer == "yes":
            return cited.block("The number has a new owner since consent was given.", Ground.NUMBER)
        return cited.allow(f"No new owner is known ({check.answer}).", Ground.NUMBER)

    return judge
