"""What a rule demands, in words, for `campaign rules show`."""

from typing import assert_never

from campaign.domain.rule import (
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
    Terms,
)


def demand(terms: Terms) -> str:
    """One phrase, without a full stop."""
    match terms:
        case Hours(week, clock):
            whose = "the called party's clock" if clock == "called_party" else f"the clock of {clock}"
            return f"calls only {week.in_words()} by {whose}"
        case ClosedDays() as days:
            return _closed_days(days)
        case RegionPause(first, last, reason):
            return f"no calls from {first} {f'to {last}' if last else 'on'} ({reason})"
        case AttemptCap(count, hours):
            return f"at most {count} attempts in {hours} h"
        case ConsentDemand(level, expires):
            limit = f", at most {expires} days old" if expires else ""
            return f"consent of level {level}{limit}"
        case Registry(name, days, same_day):
            age = "of the same day" if same_day else f"at most {days} days old"
            return f"not on {name}, by a copy {age}"
        case InternalDnc(within, days):
            kept = f", kept {days} days" if days else ""
            return f"own do-not-call requests honoured within {within}{kept}"
        case RevocationScope(value):
            return f"a revocation reaches {'all topics' if value == 'all_topics' else 'its topic'}"
        case OptOut(seconds):
            return f"a way to opt out, offered within {seconds:g} s"
        case Disclosure(say, seconds):
            when = f"within {seconds:g} s" if seconds else "at the start"
            return f"say {', '.join(say).replace('_', ' ')} {when}"
        case Abandonment() as most:
            return f"at most {most.max_rate:.0%} of answered calls abandoned in {most.window_days} days"
        case CallerNumber(must, must_not):
            return " and ".join(
                filter(None, (must and f"caller id matches {must}", must_not and f"none matches {must_not}"))
            )
        case Prohibition(reason):
            return f"barred: {reason}"
        case Registration(what):
            return f"first: {what}"
        case Reassigned(days):
            return f"asked for a new owner within {days} days"
        case Retention(what, days):
            return f"{what} kept {days} days"
        case _:
            assert_never(terms)


def _closed_days(days: ClosedDays) -> str:
    place = f"{days.country}-{days.subdivision}" if days.subdivision else days.country
    more = f", also {', '.join(days.add)}" if days.add else ""
    less = f", but not {', '.join(days.drop)}" if days.drop else ""
    return f"no calls on holidays of {place}{more}{less}"
