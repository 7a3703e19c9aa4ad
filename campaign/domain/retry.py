"""When a contact is tried again, and on which of its numbers. A pure function of the policy and the facts.

There is one budget per contact: every attempt that rang, or may have rung, uses one of it, whatever its
reason and whichever number it went to. Budgets never stack.

One exception, since a promise is kept: a callback that a person asked for on the last attempt of the budget
gets one attempt beyond it, once (`BEYOND_BUDGET`). What that attempt comes to is final.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from campaign.domain.campaign import RetryPolicy
from campaign.domain.disposition import MEANING, Disposition

DueFor = Literal["first", "retry", "callback"]

NOT_SENT_PAUSE: Final = timedelta(minutes=1)
"""Wait after an attempt that never left this service: nobody's phone rang, so no gap is owed."""

BEYOND_BUDGET: Final = 1
"""Attempts beyond the budget for a callback that was asked for when the budget was used up."""

CALLBACK_WITHOUT_TIME: Final = timedelta(hours=24)
"""Wait when a person asked to be called back and named no time, and the policy says nothing of it."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again.

    Args:
        at: not before this instant; the calling window and the other rules are asked again then.
        number_index: which of the contact's numbers, from 0.
        due_for: why the contact is due then.
    """

    at: datetime
    number_index: int
    due_for: DueFor


@dataclass(frozen=True, slots=True)
class Exhausted:
    """Never again in this campaign; `why` is a phrase for people."""

    why: str


def plan(
    policy: RetryPolicy,
    disposition: Disposition,
    attempts_made: int,
    number_index: int,
    numbers: int,
    now: datetime,
    callback_at: datetime | None = None,
) -> Retry | Exhausted:
    """Say whether and when a contact is tried again after an attempt.

    Args:
        policy: the campaign's `[retry]`.
        disposition: how the attempt ended.
        attempts_made: the contact's attempts so far that count (`Meaning.counts`), this one included.
        number_index: the number that was called, from 0.
        numbers: how many numbers the contact has, 1 to 5.
        now: when the attempt ended.
        callback_at: when the person asked to be called; only for the disposition `callback`.
    """
    meaning = MEANING[disposition]
    if meaning.final:
        return Exhausted(f"final: {meaning.words}")
    if not meaning.counts:
        return _same_again(policy, disposition, attempts_made, number_index, now)
    asked = disposition is Disposition.CALLBACK
    if attempts_made >= policy.budget + (BEYOND_BUDGET if asked else 0):
        return Exhausted(f"all {policy.budget} attempts are used; the last: {meaning.words}")
    if disposition is Disposition.BAD_NUMBER:
        if number_index + 1 < numbers:
            return Retry(now, number_index + 1, "retry")
        return Exhausted("the number does not work and the contact has no other")
    if asked and callback_at is not None:
        return Retry(max(callback_at, now), number_index, "callback")
    return _by_rule(policy, disposition, attempts_made, number_index, now)


def _same_again(
    policy: RetryPolicy, disposition: Disposition, attempts_made: int, number_index: int, now: datetime
) -> Retry:
    """After an attempt that used nothing up. One that was cancelled may have rung, so the gap is kept."""
    rang = disposition is Disposition.CANCELED
    pause = max(NOT_SENT_PAUSE, timedelta(minutes=policy.min_gap_minutes)) if rang else NOT_SENT_PAUSE
    return Retry(now + pause, number_index, "retry" if attempts_made else "first")


def _by_rule(
    policy: RetryPolicy, disposition: Disposition, attempts_made: int, number_index: int, now: datetime
) -> Retry | Exhausted:
    words = MEANING[disposition].words
    asked = disposition is Disposition.CALLBACK
    rule = policy.on.get(disposition)
    if rule is None:
        if asked:
            return Retry(now + CALLBACK_WITHOUT_TIME, number_index, "callback")
        return Exhausted(f"the campaign does not retry: {words}")
    if rule.attempts is not None and attempts_made >= rule.attempts:
        return Exhausted(f"after {attempts_made} attempts this is final: {words}")
    step = min(max(attempts_made, 1), len(rule.after_minutes)) - 1
    wait = timedelta(minutes=max(rule.after_minutes[step], policy.min_gap_minutes))
    return Retry(now + wait, number_index, "callback" if asked else "retry")
