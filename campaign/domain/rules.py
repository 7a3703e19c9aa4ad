"""May this number be called now? Gathered facts and a rulebook in, one decision out.

Every rule that is about the call gives its verdict: ours (`number.*`, `place.*`, `campaign.*`, `contact.*`,
`dnc.*`, `window.*`) and those of each pack that any evidence of the person's whereabouts matches. One block
blocks, else one deferral defers, so a further rule can only make a decision stricter. A deferral's `until`
is the first instant at which every rule that depends on time allows.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from campaign.domain.calling_window import ALWAYS, CallingWindow, Clause, WeeklyHours, known_zone
from campaign.domain.decision import Decision, Ground, RuleVerdict, Verdict, by_weight, in_words, worst
from campaign.domain.facts import CampaignPolicy, Facts, Pause, Waiver, lines_of, utc
from campaign.domain.lookup import CHECKS, awaits_line_type
from campaign.domain.pack_rules import (
    Cited,
    Judge,
    caller_accepted,
    cap_verdict,
    clauses_of,
    consent_verdict,
    judge_of,
    pause_clauses,
    under_waiver,
    window_judge,
)
from campaign.domain.phone import NumberKind
from campaign.domain.place import Place
from campaign.domain.retry import BEYOND_BUDGET
from campaign.domain.rule import CallerNumber, Hours, Rule
from campaign.domain.rulebook import Rulebook

__all__ = [
    "DIAL_MARGIN",
    "CampaignPolicy",
    "Decision",
    "Facts",
    "RuleVerdict",
    "Verdict",
    "decide",
    "in_words",
    "is_paused",
    "next_legal",
]

DIAL_MARGIN = 60
"""Seconds before a window closes at which dialling stops: a call placed at 20:59:58 rings after nine.

An intent lives for a second, its request for ten, and Twilio begins to ring within some seconds; the rest is
for the person, who should have time to pick up. What Twilio's own queue holds back, or still rings when the
window closes, is cancelled (store/sweeps.py)."""

_DIALLABLE = {
    NumberKind.FIXED,
    NumberKind.MOBILE,
    NumberKind.FIXED_OR_MOBILE,
    NumberKind.VOIP,
    NumberKind.UNKNOWN,
}
_UNTOLD: frozenset[str] = frozenset()


def decide(facts: Facts, rulebook: Rulebook, now: datetime, *, margin: int = DIAL_MARGIN) -> Decision:
    """Judge one dial by every rule.

    Args:
        facts: all that is known of the number, the contact and the campaign.
        rulebook: the packs.
        now: the aware instant to judge for.
        margin: seconds before a closing at which dialling stops.
    """
    policy, place = facts.policy, facts.place
    # While it is asked what line it is, no rule is judged that hangs on it: nobody is dialled before anyway
    # (check.line_type defers), and a block would be for good.
    lines = _UNTOLD if awaits_line_type(facts, now) else lines_of(facts.kind)
    ground = _ground(
        rulebook,
        (place.countries, place.regions, place.zones),
        (policy.purpose, facts.party, facts.voice, lines),
        facts.consent.lifts(now) if facts.consent else frozenset(),
        (policy.hours, policy.restricted, policy.pauses),
        policy.waivers,
        margin,
    )
    at = now.timestamp()
    reasons = [judge(facts, now) for judge in _OURS]
    reasons.append(_other_registries(facts, ground.registries))
    reasons += [judge(facts, now) for first, end, judge in ground.judges if first <= at < end]
    verdict = worst(reason.verdict for reason in reasons)
    until: datetime | None = None
    if verdict is Verdict.DEFER and any(reason.until for reason in reasons):
        earliest = max([now, *(reason.until for reason in reasons if reason.until)])
        until = ground.window.next_open(earliest, margin)
        if until is None:
            reasons.append(_NEVER_TOGETHER)
            verdict = Verdict.BLOCK
    if verdict is not Verdict.ALLOW:
        reasons.sort(key=by_weight)
    return Decision(
        verdict,
        now,
        until,
        tuple(reasons),
        ground.packs,
        ground.window.closes_at(now),
        tuple(caller for caller in facts.callers if ground.accepts(caller, at)),
        facts,
    )


def next_legal(
    place: Place,
    policy: CampaignPolicy,
    rulebook: Rulebook,
    after: datetime,
    *,
    party: str = "unknown",
    kind: NumberKind = NumberKind.UNKNOWN,
    margin: int = DIAL_MARGIN,
) -> datetime | None:
    """The first instant at or after `after` at which all hours, closed days and pauses allow a call.

    For a whole zone group at once: consent lifts nothing here, so that for one contact the true instant may
    be earlier, and other rules may make it later. None when there is none within 60 days, when it would be
    at or past the campaign's end, or when no time zone is known.
    """
    if not place.zones or not all(map(known_zone, place.zones)):
        return None
    ground = _ground(
        rulebook,
        (place.countries, place.regions, place.zones),
        (policy.purpose, party, "artificial", lines_of(kind)),
        frozenset(),
        (policy.hours, policy.restricted, policy.pauses),
        policy.waivers,
        margin,
    )
    found = ground.window.next_open(max(after, policy.starts_at or after), margin)
    return None if found and policy.ends_at and found >= policy.ends_at else found


def is_paused(pause: Pause, place: Place, now: datetime) -> bool:
    """Whether somebody who may be anywhere in that place must not be called at that instant for a pause."""
    if not _reaches(pause.region, (place.countries, place.regions, place.zones)):
        return False
    days = [now.astimezone(ZoneInfo(zone)).date() for zone in place.zones if known_zone(zone)]
    return any(pause.first <= day and (pause.last is None or day <= pause.last) for day in days) or not days


# ── what is worked out once per place ──────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Ground:
    """All that does not change between two contacts of one place, purpose and party.

    `judges`: (from, to, judge): UTC seconds between which the rule is in force in at least one zone.
    `window`: everything that depends on the clock, of the packs and of the campaign, together.
    """

    judges: tuple[tuple[float, float, Judge], ...]
    window: CallingWindow
    packs: tuple[tuple[str, str], ...]
    registries: frozenset[str]
    caller_rules: tuple[tuple[float, float, CallerNumber], ...]

    def accepts(self, caller: str, at: float) -> bool:
        return all(
            caller_accepted(terms, caller) for first, end, terms in self.caller_rules if first <= at < end
        )


_Where = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]
_Call = tuple[str, str, str, frozenset[str]]
_Own = tuple[WeeklyHours, frozenset[date], tuple[Pause, ...]]


@lru_cache(maxsize=16384)
def _ground(
    rulebook: Rulebook,
    where: _Where,
    call: _Call,
    lifts: frozenset[str],
    own: _Own,
    waivers: tuple[Waiver, ...],
    margin: int,
) -> _Ground:
    countries, regions, named = where
    zones = tuple(zone for zone in named if known_zone(zone))
    place = Place(countries, regions, zones)
    packs = rulebook.packs_for(place)
    rules = [rule for pack in packs for rule in pack.rules if rule.scope.covers(*call)]
    timed = [(*_in_force(rule, zones), rule) for rule in rules if rule.status != "proposed"]
    binding = [entry for entry in timed if lifts.isdisjoint(entry[2].lifted_by)]
    judges = [_place_judge(rulebook, where), *_own_windows(own, where, zones, margin)]
    clauses = [*_own_clauses(own, where, zones)]
    waived = {waiver.rule_id: waiver for waiver in waivers}
    waiver_of = {rule.id: waived.get(rule.id) if rule.waivable else None for rule in rules}
    for _, _, rule in binding:
        clauses += clauses_of(rule, zones, waiver_of[rule.id])
    return _Ground(
        judges=(
            *((float("-inf"), float("inf"), judge) for judge in judges),
            *((first, end, _judge(rule, zones, waiver_of[rule.id], margin)) for first, end, rule in binding),
            *(
                (first, end, _lifted(rule, lifts))
                for first, end, rule in timed
                if not lifts.isdisjoint(rule.lifted_by)
            ),
        ),
        window=CallingWindow(clauses),
        packs=tuple((pack.id, pack.version) for pack in packs),
        registries=rulebook.registries,
        caller_rules=tuple(
            (_binds_from(first, waiver_of[rule.id]), end, rule.terms)
            for first, end, rule in binding
            if isinstance(rule.terms, CallerNumber)
        ),
    )


def _judge(rule: Rule, zones: tuple[str, ...], waiver: Waiver | None, margin: int) -> Judge:
    judge = judge_of(rule, zones, margin)
    return judge if waiver is None else under_waiver(judge, rule, waiver, margin)


def _binds_from(first: float, waiver: Waiver | None) -> float:
    if waiver is None:
        return first
    return max(first, waiver.until.timestamp()) if waiver.until else float("inf")


def _in_force(rule: Rule, zones: Iterable[str]) -> tuple[float, float]:
    """UTC seconds between which the rule binds in at least one zone; without zones, all the time."""
    fixed = [rule.terms.clock] if isinstance(rule.terms, Hours) and rule.terms.clock != "called_party" else []
    midnights = [_midnights(zone, rule) for zone in (*zones, *fixed)]
    if not midnights:
        return float("-inf"), float("inf")
    return min(first for first, _ in midnights), max(end for _, end in midnights)


def _midnights(zone: str, rule: Rule) -> tuple[float, float]:
    first = datetime.combine(rule.effective_from, datetime.min.time(), ZoneInfo(zone))
    if rule.effective_to is None:
        return first.timestamp(), float("inf")
    end = datetime.combine(rule.effective_to + timedelta(days=1), datetime.min.time(), ZoneInfo(zone))
    return first.timestamp(), end.timestamp()


def _lifted(rule: Rule, lifts: frozenset[str]) -> Judge:
    by = ", ".join(sorted(lifts & set(rule.lifted_by)))
    verdict = Cited(rule.id, rule.kind, rule.source.cite).allow(f"Lifted by recorded consent ({by}).")
    return lambda facts, now: verdict


def _own_clauses(own: _Own, where: _Where, zones: tuple[str, ...]) -> tuple[Clause, ...]:
    hours, restricted, pauses = own
    return (*_hours(hours, zones), *_restricted(restricted, zones), *_pauses(pauses, where, zones))


def _hours(hours: WeeklyHours, zones: tuple[str, ...]) -> tuple[Clause, ...]:
    return tuple(Clause(zone, hours, rule_id="campaign.hours") for zone in zones)


def _restricted(days: frozenset[date], zones: tuple[str, ...]) -> tuple[Clause, ...]:
    named = dict.fromkeys(days, "the campaign's restricted date")
    return tuple(Clause(zone, ALWAYS, named.get, rule_id="campaign.restricted") for zone in zones if named)


def _pauses(pauses: tuple[Pause, ...], where: _Where, zones: tuple[str, ...]) -> tuple[Clause, ...]:
    return tuple(
        clause
        for pause in pauses
        if _reaches(pause.region, where)
        for clause in pause_clauses("campaign.pause", zones, pause.first, pause.last, _paused(pause))
    )


def _reaches(region: str, where: _Where) -> bool:
    """Whether the person may be in that country or region: of a country of which no region is known, all."""
    countries, regions, _ = where
    if region in countries or region in regions:
        return True
    country, _, division = region.partition("-")
    return bool(division) and country in countries and not any(r.startswith(country + "-") for r in regions)


def _paused(pause: Pause) -> str:
    return f"calls to {pause.region} are paused: {pause.reason}"


def _own_windows(own: _Own, where: _Where, zones: tuple[str, ...], margin: int) -> list[Judge]:
    hours, restricted, pauses = own
    windows = (
        ("campaign.hours", "hours", _hours(hours, zones)),
        ("campaign.restricted", "closed_days", _restricted(restricted, zones)),
        ("campaign.pause", "region_pause", _pauses(pauses, where, zones)),
    )
    return [window_judge(Cited(rule, kind), clauses, margin) for rule, kind, clauses in windows if clauses]


def _place_judge(rulebook: Rulebook, where: _Where) -> Judge:
    countries, _, zones = where
    cited = Cited("place.known", "place")
    unknown = [zone for zone in zones if not known_zone(zone)]
    uncovered = [country for country in countries if not rulebook.covers(country)]
    if not zones:
        verdict = cited.block("No time zone is known for this number, so no hour can be shown to be legal.")
    elif unknown:
        verdict = cited.block(f"The time-zone database does not know {', '.join(unknown)}.")
    elif not countries:
        verdict = cited.block("No country is known for this number, so no law can be looked up.")
    elif uncovered:
        verdict = cited.block(f"There is no rule pack for {', '.join(uncovered)}.")
    else:
        verdict = cited.allow(f"Zones: {', '.join(zones)}.")
    return lambda facts, now: verdict


# ── our own rules ──────────────────────────────────────────────────────────────────────────────────────


def _kind(facts: Facts, now: datetime) -> RuleVerdict:
    kind = facts.kind
    if kind in _DIALLABLE:
        return _KIND_OK
    words = kind.value.replace("_", " ")
    return _KIND.block(f"It is a {words} number; such numbers are not called.", Ground.NUMBER)


def _regions(facts: Facts, now: datetime) -> RuleVerdict:
    allowed, place = facts.policy.regions, facts.place
    for country in place.countries:
        if country in allowed:
            continue
        inside = [region for region in place.regions if region.startswith(country + "-")]
        outside = [region for region in inside if region not in allowed] or ([] if inside else [country])
        if outside:
            why = f"{', '.join(outside)} is not among the campaign's regions ({', '.join(sorted(allowed))})."
            return _REGIONS.block(why)
    return _REGIONS_OK


def _state(facts: Facts, now: datetime) -> RuleVerdict:
    state = facts.policy.state
    if state == "running":
        return _STATE_OK
    if state in ("stopped", "completed", "failed"):
        return _STATE.block(f"The campaign is {state}.", Ground.CAMPAIGN)
    return _STATE.defer(f"The campaign is {state}.", None, Ground.CAMPAIGN)


def _stop_all(facts: Facts, now: datetime) -> RuleVerdict:
    if facts.policy.all_stopped:
        return _STOP.defer("All dialling is stopped until an admin lifts it.", None, Ground.CAMPAIGN)
    return _STOP_OK


def _dates(facts: Facts, now: datetime) -> RuleVerdict:
    policy = facts.policy
    if policy.ends_at is not None and now >= policy.ends_at:
        return _DATES.block(f"The campaign ended at {utc(policy.ends_at)}.", Ground.CAMPAIGN)
    if policy.starts_at is not None and now < policy.starts_at:
        why = f"The campaign starts at {utc(policy.starts_at)}."
        return _DATES.defer(why, policy.starts_at, Ground.CAMPAIGN)
    return _DATES_OK


def _money(facts: Facts, now: datetime) -> RuleVerdict:
    reserve, left = facts.reserve, facts.money_left
    if reserve is None:
        why = f"There is no price for calls to {facts.number.region}; add it to the rates first."
        return _MONEY.block(why)
    if left is not None and reserve > left:
        why = f"The budget has {left:.2f} left; the longest call allowed would cost {reserve:.2f}."
        return _MONEY.defer(why, None, Ground.CAMPAIGN)
    return _MONEY_OK


def _callers(facts: Facts, now: datetime) -> RuleVerdict:
    if not facts.callers:
        return _CALLERS.defer("No caller id of the campaign has calls left today.", None, Ground.CAMPAIGN)
    return _CALLERS_OK


def _minimum_consent(facts: Facts, now: datetime) -> RuleVerdict:
    return consent_verdict(_CONSENT, facts.policy.minimum_consent, 0, facts, now)


def _budget(facts: Facts, now: datetime) -> RuleVerdict:
    made, allowed = facts.attempts_made, facts.attempts_allowed
    if facts.callback_due and allowed <= made < allowed + BEYOND_BUDGET:
        return _BUDGET.allow(f"{made} of {allowed} attempts are used; the person asked for one more call.")
    if made >= allowed:
        return _BUDGET.block(f"{made} of {allowed} attempts are used up.")
    return _BUDGET.allow(f"{made} of {allowed} attempts are used.")


def _limit(facts: Facts, now: datetime) -> RuleVerdict:
    count, hours = facts.policy.attempts_per_number, facts.policy.limit_hours
    if not count:
        return _LIMIT_OK
    return cap_verdict(_LIMIT, count, hours, facts.attempts, now, "number")


def _gap(facts: Facts, now: datetime) -> RuleVerdict:
    minutes = facts.policy.min_gap_minutes
    if not minutes or not facts.attempts or facts.callback_due:
        return _GAP_OK
    last = max(facts.attempts)
    until = last + timedelta(minutes=minutes)
    if until <= now:
        return _GAP_OK
    why = f"The number was tried at {utc(last)}; the campaign leaves {minutes} min between attempts."
    return _GAP.defer(why, until, Ground.TIME)


def _busy(facts: Facts, now: datetime) -> RuleVerdict:
    if facts.unsettled_since is None:
        return _BUSY_OK
    why = f"An attempt to this person of {utc(facts.unsettled_since)} has not ended yet."
    return _BUSY.defer(why, None, Ground.NUMBER)


def _own_dnc(facts: Facts, now: datetime) -> RuleVerdict:
    for hit in facts.dnc:
        if hit.kind != "registry":
            why = f"On the do-not-call list {hit.list_name} since {utc(hit.added_at)}"
            return _DNC.block(f"{why} ({hit.reason})." if hit.reason else f"{why}.", Ground.NUMBER)
    return _DNC_OK


def _other_registries(facts: Facts, known: frozenset[str]) -> RuleVerdict:
    """A list that no pack speaks of (litigators, say) bars the number outright."""
    for hit in facts.dnc:
        if hit.kind == "registry" and hit.list_name not in known:
            return _LISTED.block(f"On {hit.in_words()}.", Ground.NUMBER)
    return _LISTED_OK


_KIND = Cited("number.kind", "number")
_KIND_OK = _KIND.allow("The number is of a kind that is called.", Ground.NUMBER)
_REGIONS = Cited("campaign.regions", "region")
_REGIONS_OK = _REGIONS.allow("Every place where the person may be is among the campaign's regions.")
_STATE = Cited("campaign.state", "campaign")
_STATE_OK = _STATE.allow("The campaign is running.", Ground.CAMPAIGN)
_STOP = Cited("campaign.stop_all", "campaign")
_STOP_OK = _STOP.allow("Dialling is not stopped.", Ground.CAMPAIGN)
_DATES = Cited("campaign.dates", "campaign")
_DATES_OK = _DATES.allow("It is between the campaign's start and end.", Ground.CAMPAIGN)
_MONEY = Cited("campaign.budget", "campaign")
_MONEY_OK = _MONEY.allow("The budget has room for another call.", Ground.CAMPAIGN)
_CALLERS = Cited("campaign.callers", "caller_number")
_CALLERS_OK = _CALLERS.allow("A caller id of the campaign has calls left today.", Ground.CAMPAIGN)
_CONSENT = Cited("campaign.consent", "consent")
_BUDGET = Cited("contact.attempts", "attempt_budget")
_LIMIT = Cited("number.limit", "attempt_cap")
_LIMIT_OK = _LIMIT.allow("The campaign sets no limit of its own.", Ground.TIME)
_GAP = Cited("number.gap", "attempt_cap")
_GAP_OK = _GAP.allow("Long enough since the last attempt to this number.", Ground.TIME)
_BUSY = Cited("number.busy", "one_call")
_BUSY_OK = _BUSY.allow("No attempt to this person is under way.", Ground.NUMBER)
_DNC = Cited("dnc.own", "internal_dnc")
_DNC_OK = _DNC.allow("On no do-not-call list of ours.", Ground.NUMBER)
_LISTED = Cited("dnc.registries", "registry")
_LISTED_OK = _LISTED.allow("On no other registry that was loaded.", Ground.NUMBER)
_NEVER_TOGETHER = Cited("window.together", "hours").block(
    "Within 60 days there is no instant at which all hours and zones are open together."
)
_OURS: tuple[Callable[[Facts, datetime], RuleVerdict], ...] = (
    _own_dnc,  # first: of several blocks, an opt-out is the one to tell
    _kind,
    _regions,
    _state,
    _stop_all,
    _dates,
    _money,
    _callers,
    _minimum_consent,
    _budget,
    _limit,
    _gap,
    _busy,
    *CHECKS,
)
