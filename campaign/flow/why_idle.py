"""Why is nothing being dialled? Answered in one line, in every state of a campaign."""

from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from campaign.domain.budget import Rates
from campaign.domain.campaign_state import CampaignState
from campaign.domain.facts import utc
from campaign.domain.rulebook import Rulebook
from campaign.domain.waiting import Cause, Reason, cause_of, merged, phrase
from campaign.flow import hindrances
from campaign.store import reports
from campaign.store.campaigns import CampaignRow
from campaign.store.database import Tx
from campaign.store.reports import Status

S = CampaignState


@dataclass(frozen=True, slots=True)
class Why:
    """The answer.

    Args:
        idle: nobody is going to be dialled just now.
        line: one line for people; also when calls are going out, then it says that.
        reasons: who is not called now and why, by kind of reason.
        warnings: all that keeps the campaign, or a part of it, from dialling, in sentences.
    """

    idle: bool
    line: str
    reasons: list[Reason]
    warnings: list[str]


async def why(
    tx: Tx,
    row: CampaignRow,
    status: Status,
    now: datetime,
    *,
    rulebook: Rulebook,
    rates: Rates,
    clock_rate: float = 1.0,
    max_calls: int | None = None,
) -> Why:
    """Answer for one campaign.

    Args:
        status: of this moment (store/reports.py), so that nothing is counted twice.
        clock_rate: clock seconds per real second.
        max_calls: most calls at once of the account; None: no limit of ours.
    """
    found = await hindrances.of_all(tx, row, now, rates=rates, clock_rate=clock_rate, rulebook=rulebook)
    reasons = reasons_of(status, rulebook)
    warnings = [one.sentence for one in found]
    halted = next((one.sentence for one in found if one.everybody), "")
    if row.state != S.RUNNING:
        return Why(True, _not_running(row, status, halted), reasons, warnings)
    if row.ends_at is not None and row.ends_at <= now:
        line = f"Its end ({utc(row.ends_at)}) has passed: it ends by itself."
        return Why(True, line, reasons, warnings)
    if row.starts_at is not None and row.starts_at > now:
        return Why(True, f"It dials from its start on: {utc(row.starts_at)}.", reasons, warnings)
    if halted:
        return Why(True, halted, reasons, warnings)
    taken = await hindrances.lines_taken(tx, max_calls) if status.due else ""
    idle, line = _running(row, status, reasons, now, taken)
    return Why(idle, line, reasons, warnings)


def reasons_of(status: Status, rulebook: Rulebook) -> list[Reason]:
    """Who waits for what and who is blocked by what, by kind of reason. Those who are due are left out."""
    return merged(
        (
            group.state == "waiting",
            _cause(group, rulebook),
            group.rule,
            group.contacts,
            group.next_at,
        )
        for group in status.held
    )


def _cause(group: reports.Group, rulebook: Rulebook) -> Cause:
    if group.rule is not None:
        return cause_of(group.rule, rulebook)
    # No rule has judged them yet: first calls are planned for the next opening of their place.
    planned = {"retry": Cause.RETRY, "callback": Cause.CALLBACK}
    return planned.get(group.due_for, Cause.WINDOW) if group.state == "waiting" else Cause.OTHER


def _not_running(row: CampaignRow, status: Status, halted: str) -> str:
    why = f" ({row.state_why})" if row.state_why else ""
    match S(row.state):
        case S.DRAFT:
            people = f" with {_contacts(status.total)}" if status.total else " without contacts yet"
            return f'It is a draft{people}. Start it with: campaign start "{row.name}"'
        case S.SCHEDULED:
            at = utc(row.starts_at) if row.starts_at else "its start"
            return f"It starts by itself at {at}.{' But: ' + halted if halted else ''}"
        case S.PAUSED:
            return f'It is paused since {utc(row.state_at)}{why}. Go on with: campaign resume "{row.name}"'
        case S.STOPPING:
            left = status.contacts.get("calling", 0)
            return f"It is stopping{why}: {_contacts(left)} still being called, then it is stopped for good."
        case S.STOPPED:
            return f"It was stopped for good at {utc(row.state_at)}{why}."
        case S.COMPLETED:
            return (
                f"It is completed since {utc(row.state_at)}{why}. To call some again: "
                f'campaign redial "{row.name}" --disposition no_answer'
            )
        case S.FAILED:
            return f'It failed at {utc(row.state_at)}{why}. Mend that, then: campaign resume "{row.name}"'
        case S.RUNNING:
            raise AssertionError("told by _running")
        case state:
            assert_never(state)


def _running(
    row: CampaignRow, status: Status, reasons: list[Reason], now: datetime, taken: str
) -> tuple[bool, str]:
    calling = status.contacts.get("calling", 0)
    if status.due:
        due = f"{status.due:,} {'is' if status.due == 1 else 'are'} due now"
        if status.calls_up >= row.lines:
            return False, f"It dials with all of its {row.lines:,} lines in use; {due}."
        if taken:
            return False, f"{taken} {due[0].upper() + due[1:]} and dialled as they become free."
        if status.started_10s or status.calls_up:
            return False, f"It dials: {status.calls_up:,} of {row.lines:,} lines are in use, {due}."
        return False, f"{due}; the next of them goes out when the pace and the other campaigns allow it."
    parts = [f"{calling:,} {'is' if calling == 1 else 'are'} being called"] if calling else []
    parts += [phrase(reason, now) for reason in reasons]
    if not calling and not any(reason.waits for reason in reasons):
        head = (
            "All that can be called is done"
            if row.enrolled_at is not None
            else "All contacts so far are done, more are being enrolled"
        )
        done = status.contacts.get("done", 0)
        return True, f"{head}: {', '.join([f'{done:,} done', *parts])}."
    more = "" if row.enrolled_at is not None else " More contacts are being enrolled."
    return True, f"Nothing is due: {', '.join(parts)}.{more}"


def _contacts(n: int) -> str:
    return f"{n:,} contact{'' if n == 1 else 's'}"
