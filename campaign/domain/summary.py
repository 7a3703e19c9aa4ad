"""The summary of a call by rule: plain sentences from what code knows, without any model."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from campaign.domain.disposition import MEANING, Disposition
from campaign.domain.redaction import redact
from campaign.domain.script import Script, clean

BY_RULE: Final = "rule"
"""Who made a summary that no model wrote."""
LONGEST_SUMMARY: Final = 600

_RESULTS: Final = {
    Disposition.INTERESTED: "They are interested.",
    Disposition.NOT_INTERESTED: "They are not interested.",
    Disposition.CALLBACK: "They asked to be called back.",
    Disposition.DO_NOT_CALL: "They asked not to be called again.",
    Disposition.WRONG_NUMBER: "It was the wrong number.",
    Disposition.TRANSFERRED: "They were put through to a person.",
    Disposition.COMPLETED: "We talked, without a clear result.",
}


def by_rule(
    script: Script | None,
    disposition: Disposition,
    answers: Mapping[str, object],
    *,
    said: int | None = None,
    callback_at: datetime | None = None,
) -> str:
    """A call's summary in plain sentences, from what code knows; empty when nobody talked with us.

    Args:
        script: tells the order of the questions, and which were left open; None: not known any more.
        said: how many things the person said or pressed; None: not counted.
        callback_at: what was agreed on, in the zone in which it is to be told.
    """
    if disposition not in _RESULTS:
        return ""
    parts = [_RESULTS[disposition]]
    if disposition is Disposition.CALLBACK and callback_at is not None:
        parts = [f"They asked to be called back on {callback_at:%Y-%m-%d at %H:%M} ({callback_at:%Z})."]
    if said:
        parts.append(f"They spoke {'once' if said == 1 else f'{said} times'}.")
    order = [question.key for question in script.questions] if script is not None else []
    keys = [key for key in order if key in answers] + sorted(set(answers) - set(order))
    if keys:
        given = "; ".join(f"{key.replace('_', ' ')}: {told(answers[key])}" for key in keys)
        parts.append(f"Answers: {given}.")
    left = [key.replace("_", " ") for key in order if key not in answers]
    if left and disposition in (Disposition.INTERESTED, Disposition.COMPLETED):
        parts.append(f"Without an answer: {', '.join(left)}.")
    return redact(clean(" ".join(parts), LONGEST_SUMMARY))


def told(value: object) -> str:
    """An answer as a sentence says it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return clean(str(value), 120).rstrip(".")


def counts(disposition: Disposition) -> bool:
    """Whether there is anything to wrap up: the person and we talked."""
    return MEANING[disposition].by_conversation and disposition is not Disposition.NO_CONVERSATION
