"""A campaign's life: started, paused, resumed, stopped, completed, redialled (made: definitions.py).

Every change of state is one transaction: the campaign's row is locked, the table of states
(domain/campaign_state.py) is asked, the log and the audit trail are written. What stops dialling also takes
the pace's lock, so that it is in force for the very next call (a claim runs under that lock), and marks the
calls that nobody has answered for cancelling at Twilio.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import structlog

from campaign.domain.campaign import stored
from campaign.domain.campaign_state import OVER, CampaignAction, CampaignState
from campaign.domain.disposition import MEANING, NEVER_REDIALLED, Disposition
from campaign.domain.errors import BadInput, CampaignError, Conflict, LeaseLost
from campaign.domain.rulebook import Rulebook
from campaign.flow import abandonment, deliveries, hindrances
from campaign.flow.definitions import check, create, edit, faults_against, next_state
from campaign.flow.facts import AbandonmentCounts
from campaign.store import campaigns, enrolment, halts
from campaign.store.accounts import audit
from campaign.store.campaigns import CampaignRow
from campaign.store.database import Database, Tx

__all__ = [
    "Change",
    "as_json",
    "create",
    "edit",
    "faults_against",
    "lift",
    "pause",
    "pause_abandoning",
    "pause_for_fault",
    "pause_within",
    "redial",
    "resume",
    "start",
    "stop",
    "stop_all",
    "tick",
    "warned",
]

log = structlog.get_logger(__name__)

SYSTEM = "system:scheduler"
ABANDONMENT = "system:abandonment"


@dataclass(frozen=True, slots=True)
class Change:
    """What came of an action.

    Args:
        state: the campaign's state now.
        changed: False when it was so already.
        cancelled: sids of calls that will be cancelled at Twilio (within two seconds, by the service).
        contacts: for a redial, how many contacts by disposition.
        warnings: sentences that the operator should read.
    """

    campaign_id: int
    name: str
    state: str
    changed: bool
    why: str
    cancelled: Sequence[str] = ()
    contacts: Mapping[str, int] = field(default_factory=dict)
    warnings: Sequence[str] = ()


# ── operators' actions ─────────────────────────────────────────────────────────────────────────────────


async def _move(
    tx: Tx, row: CampaignRow, action: CampaignAction, why: str, actor: str, now: datetime
) -> Change:
    """Change the state by the table; the row is locked."""
    following = next_state(row, action)
    changed = following != row.state
    if changed:
        over = following in OVER
        await campaigns.set_state(tx, row, following.value, why, actor, now, over=over)
        detail = {"from": row.state, "to": following.value, "why": why}
        await audit(tx, actor, f"campaign.{action.value}", f"campaign:{row.id}", now, detail)
        await deliveries.tell_state(tx, row.id, row.name, row.state, following.value, why, actor, now)
        log.info("campaign_state", campaign=row.name, to=following.value, why=why)
    return Change(row.id, row.name, following.value, changed, why)


async def start(
    db: Database, name: str, *, actor: str, now: datetime, rulebook: Rulebook | None = None
) -> Change:
    """Start a draft (or go on with a paused campaign). One whose start is still to come is scheduled.

    Args:
        rulebook: the packs: over their ceiling of abandoned calls a campaign doesn't start. None: not looked
            at (it would pause by itself).

    Raises:
        BadDefinition: the lists have changed so that the script no longer fits them.
        Conflict: it is over, or its end has passed, or it has abandoned too many calls.
    """
    async with db.transaction() as tx:
        row = await campaigns.find(tx, name, lock=True)
        return await _go(tx, row, CampaignAction.START, f"started by {actor}", actor, now, rulebook)


async def resume(
    db: Database, name: str, *, actor: str, now: datetime, rulebook: Rulebook | None = None
) -> Change:
    """Go on with a paused campaign; contacts that were blocked are judged once more.

    Args, raises: as start.
    """
    async with db.transaction() as tx:
        row = await campaigns.find(tx, name, lock=True)
        return await _go(tx, row, CampaignAction.RESUME, f"resumed by {actor}", actor, now, rulebook)


async def _go(
    tx: Tx,
    row: CampaignRow,
    action: CampaignAction,
    why: str,
    actor: str,
    now: datetime,
    rulebook: Rulebook | None,
) -> Change:
    next_state(row, action)
    if row.ends_at is not None and row.ends_at <= now:
        raise Conflict(
            f'Campaign "{row.name}" ended at {row.ends_at.isoformat()}.',
            "Set a later schedule.end with: campaign edit",
        )
    if row.state in (CampaignState.DRAFT, CampaignState.PAUSED, CampaignState.FAILED):
        definition = stored(await campaigns.definition(tx, row.id))
        await check(tx, definition, law=(rulebook, now.date()) if rulebook is not None else None)
        if rulebook is not None:
            stand = await abandonment.stand_of(tx, row.id, definition, rulebook, now)
            if stand is not None and stand.over:
                raise Conflict(f'Campaign "{row.name}" does not go on: {stand.in_words()}')
        await enrolment.look_again(tx, row.id, now)
    if row.starts_at is not None and row.starts_at > now:
        action, why = CampaignAction.SCHEDULE, f"starts by itself at {row.starts_at.isoformat()}"
    change = await _move(tx, row, action, why, actor, now)
    found = [await hindrances.all_stopped(tx), await hindrances.nobody_enrolled(tx, row)]
    return replace(change, warnings=[sentence for sentence in found if sentence])


async def pause(db: Database, name: str, *, actor: str, now: datetime, why: str = "") -> Change:
    """Dial nobody in this campaign from the next call on; calls that nobody has answered are cancelled.

    Args:
        actor: who; for the service's own pauses (a configuration fault) `system:<part>`.
        why: a sentence for people.
    """
    async with db.transaction() as tx:
        return await pause_within(tx, name, actor=actor, now=now, why=why)


async def pause_within(tx: Tx, name: str, *, actor: str, now: datetime, why: str = "") -> Change:
    """As `pause`, in the caller's transaction."""
    await halts.lock_pace(tx)
    row = await campaigns.find(tx, name, lock=True)
    reason = why or f"paused by {actor}"
    change = await _move(tx, row, CampaignAction.PAUSE, reason, actor, now)
    cancelled = await halts.cancel_calls(tx, row.id, f"the campaign was paused: {reason}", now)
    return replace(change, cancelled=cancelled)


async def pause_for_fault(
    db: Database, campaign_id: int | None, *, why: str, actor: str, now: datetime
) -> list[Change]:
    """Pause a campaign, or all that run, because their further calls would fail in the same way.

    Args:
        campaign_id: None for a fault of the account, which concerns every campaign.
        why: what is wrong and what to do about it; operators read it in the campaign's status.
    """
    async with db.transaction() as tx:
        await halts.lock_pace(tx)
        found = await campaigns.listed(tx, [CampaignState.RUNNING])
        names = [row.name for row in found if campaign_id in (None, row.id)]
        return [await pause_within(tx, name, actor=actor, now=now, why=why) for name in sorted(names)]


async def pause_abandoning(
    db: Database, rulebook: Rulebook, counts: AbandonmentCounts, now: datetime
) -> list[Change]:
    """Pause campaigns that have abandoned more calls than a pack allows, with the figures as the reason.

    Args:
        counts: kept from tick to tick: a campaign is counted once a minute.
    """
    async with db.transaction() as tx:
        running = await campaigns.listed(tx, [CampaignState.RUNNING])
        due = counts.old([row.id for row in running], now)
        over: dict[str, str] = {}
        for row in running:
            if row.id in due:
                definition = stored(await campaigns.definition(tx, row.id))
                stand = await abandonment.stand_of(tx, row.id, definition, rulebook, now, counts)
                if stand is not None and stand.over:
                    over[row.name] = stand.in_words()
    changes = []
    for name, why in over.items():
        try:
            changes.append(await pause(db, name, actor=ABANDONMENT, now=now, why=why))
        except Conflict as error:  # it has come to its end meanwhile
            log.info("campaign_not_paused", campaign=name, why=error.what)
    return changes


async def stop(
    db: Database, name: str, *, actor: str, now: datetime, at_once: bool = False, why: str = ""
) -> Change:
    """End a campaign for good. Conversations in progress go on to their end.

    Args:
        at_once: hang up on answered calls too (an operator's explicit choice).
    """
    async with db.transaction() as tx:
        await halts.lock_pace(tx)
        row = await campaigns.find(tx, name, lock=True)
        reason = why or f"stopped by {actor}"
        change = await _move(tx, row, CampaignAction.STOP, reason, actor, now)
        cancelled = await halts.cancel_calls(
            tx, row.id, f"the campaign was stopped: {reason}", now, answered=at_once
        )
        return replace(change, cancelled=cancelled)


async def stop_all(
    db: Database, *, actor: str, now: datetime, at_once: bool = False, why: str = ""
) -> tuple[bool, list[str]]:
    """Dial nobody in any campaign, from the next call on, until an admin lifts it.

    Args:
        at_once: hang up on answered calls too.

    Returns:
        (whether it was not in force already, sids of the calls that will be cancelled).
    """
    reason = why or f"stopped by {actor}"
    async with db.transaction() as tx:
        await halts.lock_pace(tx)
        changed = await halts.set_stop_all(tx, (now, actor, reason))
        cancelled = await halts.cancel_calls(
            tx, None, f"all dialling was stopped: {reason}", now, answered=at_once
        )
        if changed:
            await audit(tx, actor, "dialling.stop_all", "installation", now, {"why": reason})
    return changed, cancelled


async def lift(db: Database, *, actor: str, now: datetime) -> bool:
    """Let dialling go on after `stop_all`; whether it was stopped."""
    async with db.transaction() as tx:
        changed = await halts.set_stop_all(tx, None)
        if changed:
            await audit(tx, actor, "dialling.lift", "installation", now, {})
    return changed


async def redial(
    db: Database, name: str, dispositions: Sequence[str], attempts: int, *, actor: str, now: datetime
) -> Change:
    """Call contacts again whose last attempt ended in a certain way.

    Their do-not-call entries, hours and all other rules hold as ever. A completed campaign is paused by
    this, so that it starts again only when somebody resumes it.

    Args:
        dispositions: such as "no_answer", "busy".
        attempts: how many further attempts each of them gets, from 1 to the campaign's budget.

    Raises:
        BadInput: a disposition that doesn't exist or must not be redialled; too many attempts.
        Conflict: the campaign is in no state for it.
    """
    chosen = [_redialable(one) for one in dispositions]
    if not chosen:
        raise BadInput("Name at least one disposition to redial, such as no_answer.")
    async with db.transaction() as tx:
        row = await campaigns.find(tx, name, lock=True)
        budget = stored(await campaigns.definition(tx, row.id)).retry.budget
        if not 1 <= attempts <= budget:
            raise BadInput(
                f"{attempts} further attempts are not possible: the campaign's retry.budget is {budget}.",
                f"Choose 1 to {budget}, or raise retry.budget first with: campaign edit",
            )
        contacts = await enrolment.redial(tx, row.id, chosen, budget - attempts, now)
        if not any(contacts.values()):
            next_state(row, CampaignAction.REDIAL)  # refused where it is refused for all
            said = (
                f"No contact has ended with {' or '.join(chosen)}, so nobody is called again by this. "
                "Contacts that still wait for a retry are called by themselves."
            )
            return Change(row.id, row.name, row.state, False, row.state_why or "", warnings=(said,))
        change = await _move(tx, row, CampaignAction.REDIAL, f"redial by {actor}", actor, now)
        detail = {"dispositions": chosen, "attempts": attempts, "contacts": sum(contacts.values())}
        await audit(tx, actor, "campaign.redial", f"campaign:{row.id}", now, detail)
        why = f"redial of {sum(contacts.values())} contacts ({', '.join(chosen)})"
        await campaigns.log(tx, row.id, change.state, change.state, why, actor, now)
        return replace(change, why=why, contacts=contacts)


def _redialable(text: str) -> str:
    try:
        disposition = Disposition(text)
    except ValueError:
        known = ", ".join(one.value for one in Disposition if one not in NEVER_REDIALLED)
        raise BadInput(f'"{text}" is no disposition.', f"There are: {known}.") from None
    if disposition in NEVER_REDIALLED:
        raise BadInput(f"People with the disposition {text} are never redialled.", MEANING[disposition].words)
    return disposition.value


# ── by itself ──────────────────────────────────────────────────────────────────────────────────────────


async def tick(db: Database, now: datetime) -> list[Change]:
    """Begin, finish and complete campaigns whose time has come; idempotent, each in its own transaction."""
    async with db.transaction() as tx:
        due = await campaigns.due(tx, now)
    changes: list[Change] = []
    for one in due:
        try:
            async with db.transaction() as tx:
                change = await _by_itself(tx, one, now)
        except LeaseLost:
            raise
        except CampaignError as error:  # one campaign's trouble must not hold up the others
            log.warning("campaign_tick_failed", campaign=one.name, error=str(error))
            continue
        if change is not None and change.changed:
            changes.append(change)
    return changes


async def _by_itself(tx: Tx, due: campaigns.Due, now: datetime) -> Change | None:
    # Under the pace's lock no claim is in progress: a contact that is claimed just now is seen.
    await halts.lock_pace(tx)
    row = await campaigns.find(tx, due.name, lock=True)
    still = {(one.name, one.action): one for one in await campaigns.due(tx, now)}
    if (due.name, due.action) not in still:
        return None
    action = CampaignAction(due.action)
    if action is CampaignAction.COMPLETE and await campaigns.any_calling(tx, row.id):
        return None
    if action is CampaignAction.BEGIN:
        faults = await _begin_faults(tx, row)
        if faults:
            return await _move(tx, row, CampaignAction.FAIL, faults, SYSTEM, now)
    return await _move(tx, row, action, due.why, SYSTEM, now)


async def _begin_faults(tx: Tx, row: CampaignRow) -> str:
    """Why a scheduled campaign can't begin: its lists have changed since; empty when it can."""
    definition = stored(await campaigns.definition(tx, row.id))
    return "; ".join(str(fault) for fault in await faults_against(tx, definition))


def warned(change: Change, warning: str) -> Change:
    """The same change with one more sentence that the operator should read."""
    return replace(change, warnings=[*change.warnings, warning])


def as_json(change: Change) -> dict[str, Any]:
    """A change for programs."""
    return {
        "id": change.campaign_id,
        "name": change.name,
        "state": change.state,
        "changed": change.changed,
        "why": change.why,
        "calls_cancelled": len(change.cancelled),
        "contacts": dict(change.contacts),
        "warnings": list(change.warnings),
    }
