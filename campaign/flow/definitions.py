"""Definitions meet the database: checked against its lists, saved as drafts, edited as new versions."""

from collections.abc import Sequence
from datetime import datetime

from campaign.domain.campaign import (
    CampaignDefinition,
    located,
    stored,
    template_faults,
    to_json,
)
from campaign.domain.campaign_state import CampaignAction, CampaignState, after, possible
from campaign.domain.errors import BadDefinition, Conflict, Fault
from campaign.domain.rulebook import Rulebook
from campaign.domain.toml_lines import Path
from campaign.flow import enrol
from campaign.store import campaigns, enrolment
from campaign.store.accounts import audit
from campaign.store.campaigns import CampaignRow, Settings
from campaign.store.database import Database, Tx


async def faults_against(
    tx: Tx, definition: CampaignDefinition, lines: dict[Path, int] | None = None
) -> list[Fault]:
    """What is wrong in a valid definition when it meets this database: lists, DNC lists, script variables.

    Args:
        lines: of the TOML text (`toml_lines.lines_of`), for the faults' lines.
    """
    names = [ref.name for ref in definition.lists]
    columns = await campaigns.known_lists(tx, names)
    known_dnc = await campaigns.known_dnc_lists(tx, definition.dnc_lists)
    found: list[tuple[Path, str]] = []
    if len(columns) < len(names):
        there = await campaigns.list_names(tx, "contact_lists")
        for n, name in enumerate(names):
            if name not in columns:
                found.append((("lists", n), _no_list("contact list", name, there, "contacts import FILE")))
    if len(known_dnc) < len(definition.dnc_lists):
        there = await campaigns.list_names(tx, "dnc_lists")
        for n, name in enumerate(definition.dnc_lists):
            if name not in known_dnc:
                found.append((("dnc_lists", n), _no_list("do-not-call list", name, there, "dnc import FILE")))
    return [*located(found, lines or {}), *template_faults(definition, columns, lines)]


def _no_list(kind: str, name: str, there: Sequence[str], command: str) -> str:
    have = f"there are: {', '.join(there)}" if there else "there are none yet"
    return f'there is no {kind} "{name}" ({have}); make it with: campaign {command} --list "{name}"'


async def create(
    db: Database,
    definition: CampaignDefinition,
    *,
    actor: str,
    now: datetime,
    lines: dict[Path, int] | None = None,
) -> CampaignRow:
    """Save a definition as a draft, with its lists attached.

    Raises:
        BadDefinition: a list is missing, or lacks a column that the script says.
        Conflict: the name is taken.
    """
    async with db.transaction() as tx:
        await check(tx, definition, lines)
        campaign_id = await campaigns.insert(tx, definition.name, _settings(definition), actor, now)
        await campaigns.add_version(tx, campaign_id, 1, to_json(definition), actor, now)
        await campaigns.attach_lists(tx, campaign_id, {ref.name: ref.priority for ref in definition.lists})
        await campaigns.set_dnc_lists(tx, campaign_id, definition.dnc_lists)
        await campaigns.log(tx, campaign_id, None, "draft", "created", actor, now)
        await audit(tx, actor, "campaign.create", f"campaign:{campaign_id}", now, {"name": definition.name})
        return await campaigns.find(tx, f"#{campaign_id}")


async def check(tx: Tx, definition: CampaignDefinition, lines: dict[Path, int] | None = None) -> None:
    """As `faults_against`, raising.

    Raises:
        BadDefinition: with every fault.
    """
    faults = await faults_against(tx, definition, lines)
    if faults:
        raise BadDefinition(f'Campaign "{definition.name}"', faults)


def _settings(definition: CampaignDefinition) -> Settings:
    return Settings(
        starts_at=definition.schedule.start,
        ends_at=definition.schedule.end,
        calls_per_second=definition.pacing.calls_per_second,
        lines=definition.pacing.lines,
        share=definition.pacing.share,
    )


async def edit(
    db: Database,
    rulebook: Rulebook,
    name: str,
    definition: CampaignDefinition,
    *,
    actor: str,
    now: datetime,
    lines: dict[Path, int] | None = None,
) -> CampaignRow:
    """Put a new version of a definition in force, while the campaign is a draft or paused.

    Calls that are up, and attempts of the past, keep the version that they were made under.

    Raises:
        Conflict: it is running, or over; or the edit changes what a campaign must keep (name, purpose,
            seller; once it has been started, its lists: they may only become more).
        BadDefinition: as for create.
    """
    async with db.transaction() as tx:
        row = await campaigns.find(tx, name, lock=True)
        next_state(row, CampaignAction.EDIT)
        old = stored(await campaigns.definition(tx, row.id))
        _refuse_changed_identity(row, old, definition)
        await check(tx, definition, lines)
        version = row.version + 1
        await campaigns.add_version(tx, row.id, version, to_json(definition), actor, now)
        await campaigns.use_version(tx, row.id, version, _settings(definition))
        priorities = {ref.name: ref.priority for ref in definition.lists}
        await campaigns.attach_lists(tx, row.id, priorities)
        if row.started_at is None:
            await campaigns.detach_lists(tx, row.id, list(priorities))
        await campaigns.set_dnc_lists(tx, row.id, definition.dnc_lists)
        await enrolment.begin_planning(tx, row.id)
        new_plain, old_plain = to_json(definition), to_json(old)
        keys = new_plain.keys() | old_plain.keys()
        changed = sorted(key for key in keys if new_plain.get(key) != old_plain.get(key))
        why = f"version {version}: {', '.join(changed) or 'nothing'} changed"
        await campaigns.log(tx, row.id, row.state, row.state, why, actor, now)
        detail = {"version": version, "changed": changed}
        await audit(tx, actor, "campaign.edit", f"campaign:{row.id}", now, detail)
        edited = await campaigns.find(tx, f"#{row.id}")
    await enrol.plan_again(db, rulebook, row.id, now, hours=old.schedule != definition.schedule)
    return edited


def _refuse_changed_identity(row: CampaignRow, old: CampaignDefinition, new: CampaignDefinition) -> None:
    fixed = ["name"] if row.started_at is None else ["name", "purpose", "seller"]
    for key in fixed:
        if getattr(old, key) != getattr(new, key):
            raise Conflict(
                f'"{key}" of campaign "{row.name}" cannot be changed'
                f"{' any more: it has been started' if key != 'name' else ''}.",
                "Make a new campaign for it: campaign create FILE",
                key=key,
            )
    gone = {ref.name for ref in old.lists} - {ref.name for ref in new.lists}
    if gone and row.started_at is not None:
        raise Conflict(
            f'Campaign "{row.name}" has been started; its lists can only become more. '
            f"Missing now: {', '.join(sorted(gone))}.",
            "Keep them, or make a new campaign.",
        )


def next_state(row: CampaignRow, action: CampaignAction) -> CampaignState:
    """The state after an action, by the table.

    Raises:
        Conflict: the action is refused in the campaign's state; says what can be done.
    """
    following = after(CampaignState(row.state), action)
    if following is None:
        since = f" ({row.state_why})" if row.state_why else ""
        raise Conflict(
            f'Campaign "{row.name}" is {row.state}{since}: it can\'t {_VERB.get(action, action.value)} now.',
            _instead(row, action),
            state=row.state,
            action=action.value,
        )
    return following


def _instead(row: CampaignRow, refused: CampaignAction) -> str:
    state = CampaignState(row.state)
    stays = (CampaignAction.EDIT, CampaignAction.REDIAL)
    can = [action for action in possible(state) if action in stays or after(state, action) is not state]
    if refused is CampaignAction.EDIT and CampaignAction.PAUSE in can:
        return f'Pause it first: campaign pause "{row.name}"'
    if not can:
        again = f'campaign show "{row.name}" > again.toml'
        return f"It is over. For a new one like it: {again}, and change its name."
    return f"What can be done: {', '.join(action.value for action in can)}."


_VERB = {
    CampaignAction.EDIT: "be edited",
    CampaignAction.REDIAL: "be redialled",
    CampaignAction.STOP: "be stopped",
    CampaignAction.PAUSE: "be paused",
}
