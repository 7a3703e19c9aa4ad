import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from campaign.domain.errors import BadDefinition, BadInput, Conflict, NotFound
from campaign.flow import enrol, lifecycle
from campaign.store import attempts, campaigns, halts
from campaign.store.database import Database
from tests.support.campaigns import definition, make_attempt, make_list, phone, rows, rulebook
from tests.support.clock import ManualClock

RULES = rulebook()
ANA = "cli:ana"


async def made(db: Database, clock: ManualClock, contacts: int = 3, **changes: Any) -> int:
    await make_list(db, contacts=contacts)
    row = await lifecycle.create(db, definition(**changes), actor=ANA, now=clock.now())
    await enrol.tick(db, RULES, clock.now())
    return row.id


async def running(db: Database, clock: ManualClock, contacts: int = 3, **changes: Any) -> int:
    campaign = await made(db, clock, contacts, **changes)
    await lifecycle.start(db, "Minimal", actor=ANA, now=clock.now())
    return campaign


async def state_of(db: Database, name: str = "Minimal") -> str:
    async with db.connection() as tx:
        return (await campaigns.find(tx, name)).state


async def test_a_definition_becomes_a_draft_with_its_lists(db: Database, clock: ManualClock) -> None:
    campaign = await made(db, clock)
    async with db.connection() as tx:
        row = await campaigns.find(tx, f"#{campaign}")
        assert (row.name, row.state, row.version, row.lines) == ("Minimal", "draft", 1, 10)
        assert [one["name"] for one in await campaigns.lists_of(tx, campaign)] == ["sample"]
        assert await campaigns.definition(tx, campaign) == await campaigns.definition(tx, campaign, 1)
    (entry,) = await rows(db, "SELECT actor, action FROM audit_log")
    assert entry == {"actor": ANA, "action": "campaign.create"}


async def test_lists_that_do_not_exist_are_named_with_the_command_that_makes_them(
    db: Database, clock: ManualClock
) -> None:
    await make_list(db, "other")
    with pytest.raises(BadDefinition) as raised:
        await lifecycle.create(db, definition(dnc_lists=["litigators"]), actor=ANA, now=clock.now())
    paths = {fault.path: fault.why for fault in raised.value.faults}
    assert 'no contact list "sample" (there are: other)' in paths["lists[0]"]
    assert 'campaign contacts import FILE --list "sample"' in paths["lists[0]"]
    assert "no do-not-call list" in paths["dnc_lists[0]"]


async def test_a_script_that_names_a_missing_column_is_refused_before_launch(
    db: Database, clock: ManualClock
) -> None:
    await make_list(db, columns=["phone"])
    with pytest.raises(BadDefinition) as raised:
        await lifecycle.create(db, definition(), actor=ANA, now=clock.now())
    assert raised.value.faults[0].path == "script.greeting"


async def test_a_name_is_taken_only_once(db: Database, clock: ManualClock) -> None:
    await made(db, clock)
    with pytest.raises(Conflict, match="already"):
        await lifecycle.create(db, definition(), actor=ANA, now=clock.now())


async def test_an_unknown_name_is_told_with_those_that_exist(db: Database, clock: ManualClock) -> None:
    await made(db, clock)
    with pytest.raises(NotFound, match='There are: "Minimal"'):
        await lifecycle.start(db, "Maximal", actor=ANA, now=clock.now())


async def test_start_only_flips_the_state(db: Database, clock: ManualClock) -> None:
    await made(db, clock)
    before = await rows(db, "SELECT id, next_at, updated_at FROM campaign_contacts ORDER BY id")
    change = await lifecycle.start(db, "Minimal", actor=ANA, now=clock.now())
    assert (change.state, change.changed, change.warnings) == ("running", True, [])
    assert await rows(db, "SELECT id, next_at, updated_at FROM campaign_contacts ORDER BY id") == before


async def test_starting_twice_changes_nothing_and_is_no_error(db: Database, clock: ManualClock) -> None:
    campaign = await running(db, clock)
    again = await lifecycle.start(db, "Minimal", actor=ANA, now=clock.now())
    assert not again.changed
    async with db.connection() as tx:
        assert len(await campaigns.history(tx, campaign)) == 2


async def test_a_campaign_with_a_later_start_begins_by_itself(db: Database, clock: ManualClock) -> None:
    start = clock.now() + timedelta(hours=1)
    await made(db, clock, schedule={"start": start.isoformat()})
    assert (await lifecycle.start(db, "Minimal", actor=ANA, now=clock.now())).state == "scheduled"
    assert await lifecycle.tick(db, start - timedelta(seconds=1)) == []
    (change,) = await lifecycle.tick(db, start)
    assert (change.state, change.why) == ("running", "its start has come")
    assert await lifecycle.tick(db, start) == []


async def test_a_scheduled_campaign_whose_script_no_longer_fits_its_lists_fails_and_says_why(
    db: Database, clock: ManualClock
) -> None:
    start = clock.now() + timedelta(hours=1)
    await made(db, clock, schedule={"start": start.isoformat()})
    await lifecycle.start(db, "Minimal", actor=ANA, now=clock.now())
    await make_list(db, columns=["phone"])
    (change,) = await lifecycle.tick(db, start)
    assert change.state == "failed"
    assert "first_name" in change.why
    with pytest.raises(BadDefinition):
        await lifecycle.resume(db, "Minimal", actor=ANA, now=start)
    await make_list(db, columns=["phone", "first_name"])
    assert (await lifecycle.resume(db, "Minimal", actor=ANA, now=start)).state == "running"


async def test_a_campaign_ends_at_its_end_once_no_call_is_up(db: Database, clock: ManualClock) -> None:
    end = clock.now() + timedelta(hours=1)
    campaign = await running(db, clock, schedule={"end": end.isoformat()})
    attempt = await make_attempt(db, campaign, phone(0), state="answered")
    assert await lifecycle.tick(db, end) == []
    await settle(db, attempt)
    (change,) = await lifecycle.tick(db, end)
    assert (change.state, change.why) == ("completed", "its end has come")
    with pytest.raises(Conflict):
        await lifecycle.start(db, "Minimal", actor=ANA, now=end)


async def settle(db: Database, attempt: int) -> None:
    await rows(db, "UPDATE attempts SET state = 'ended', settled_at = intent_at WHERE id = :id", id=attempt)
    await rows(
        db,
        "UPDATE campaign_contacts cc SET state = 'done', next_at = NULL FROM attempts a "
        "WHERE a.id = :id AND cc.id = a.campaign_contact_id",
        id=attempt,
    )


async def test_a_campaign_completes_when_every_contact_has_come_to_an_end(
    db: Database, clock: ManualClock
) -> None:
    campaign = await running(db, clock, contacts=2)
    assert await lifecycle.tick(db, clock.now()) == []
    await make_attempt(db, campaign, phone(0), state="ended", disposition="interested")
    last = await make_attempt(db, campaign, phone(1), state="ringing")
    assert await lifecycle.tick(db, clock.now()) == []
    await settle(db, last)
    (change,) = await lifecycle.tick(db, clock.now())
    assert change.state == "completed"
    assert await lifecycle.tick(db, clock.now()) == []


async def test_a_campaign_does_not_complete_while_an_import_into_its_list_runs(
    db: Database, clock: ManualClock
) -> None:
    campaign = await running(db, clock, contacts=1)
    await make_attempt(db, campaign, phone(0), state="ended", disposition="interested")
    await make_list(db, contacts=1, first=5, imported="running")
    await enrol.tick(db, RULES, clock.now())
    assert await lifecycle.tick(db, clock.now()) == []


async def test_a_campaign_without_any_contact_waits_for_one(db: Database, clock: ManualClock) -> None:
    await made(db, clock, contacts=0)
    change = await lifecycle.start(db, "Minimal", actor=ANA, now=clock.now())
    assert "No contact is enrolled" in change.warnings[0]
    assert await lifecycle.tick(db, clock.now()) == []


async def test_a_pause_cancels_what_rings_and_lets_conversations_end(
    db: Database, clock: ManualClock
) -> None:
    campaign = await running(db, clock, contacts=4)
    states = {"placing": 0, "placed": 1, "ringing": 2, "answered": 3}
    for state, n in states.items():
        await make_attempt(db, campaign, phone(n), state=state)
    change = await lifecycle.pause(db, "Minimal", actor=ANA, now=clock.now(), why="wrong price")
    assert change.state == "paused"
    found = await rows(db, "SELECT state, cancel_at, cancel_why FROM attempts ORDER BY id")
    assert [row["state"] for row in found if row["cancel_at"]] == ["placing", "placed", "ringing"]
    assert "wrong price" in found[0]["cancel_why"]
    assert len(change.cancelled) == 3


async def test_a_pause_waits_for_a_claim_in_progress_and_cancels_what_it_wrote(
    db: Database, clock: ManualClock
) -> None:
    campaign = await running(db, clock)
    async with db.transaction() as claim:
        await halts.lock_pace(claim)
        pausing = asyncio.create_task(lifecycle.pause(db, "Minimal", actor=ANA, now=clock.now()))
        await asyncio.wait([pausing], timeout=0.2)
        assert not pausing.done()
        assert await state_of(db) == "running"
        await claim.execute(
            text(
                "INSERT INTO attempts (marker, campaign_id, phone, caller_id, state, intent_at, slot_at, "
                "replica) VALUES ('m', :id, :phone, '+12025550142', 'placing', :now, :now, 'r')"
            ),
            {"id": campaign, "phone": phone(0), "now": clock.now()},
        )
    assert (await pausing).state == "paused"
    assert len(await rows(db, "SELECT FROM attempts WHERE cancel_at IS NOT NULL")) == 1


async def test_a_change_in_progress_does_not_hold_up_the_dialler(db: Database, clock: ManualClock) -> None:
    campaign = await running(db, clock)
    async with db.transaction() as change:
        await campaigns.find(change, "Minimal", lock=True)
        async with asyncio.timeout(20):
            await make_attempt(db, campaign, phone(0), state="ringing")


async def test_two_starts_at_once_are_one_start(db: Database, clock: ManualClock) -> None:
    campaign = await made(db, clock)
    starts = [lifecycle.start(db, "Minimal", actor=ANA, now=clock.now()) for _ in range(4)]
    changes = await asyncio.gather(*starts)
    assert [change.changed for change in changes].count(True) == 1
    async with db.connection() as tx:
        assert len(await campaigns.history(tx, campaign)) == 2


async def test_pausing_twice_is_no_error(db: Database, clock: ManualClock) -> None:
    await running(db, clock)
    await lifecycle.pause(db, "Minimal", actor=ANA, now=clock.now())
    assert not (await lifecycle.pause(db, "Minimal", actor=ANA, now=clock.now())).changed


async def test_a_fault_of_the_account_pauses_all_that_run_and_says_why(
    db: Database, clock: ManualClock
) -> None:
    one = await running(db, clock)
    await lifecycle.create(db, definition(name="Draft"), actor=ANA, now=clock.now())
    changes = await lifecycle.pause_for_fault(
        db, None, why="Twilio refuses the account. Check its balance.", actor="system:dialer", now=clock.now()
    )
    assert [(change.campaign_id, change.state) for change in changes] == [(one, "paused")]
    async with db.connection() as tx:
        assert "balance" in str((await campaigns.find(tx, "Minimal")).state_why)
    assert await state_of(db, "Draft") == "draft"
    again = await lifecycle.pause_for_fault(db, one, why="x", actor="system:dialer", now=clock.now())
    assert again == []


async def test_stop_waits_for_the_conversations_and_is_final(db: Database, clock: ManualClock) -> None:
    campaign = await running(db, clock)
    talk = await make_attempt(db, campaign, phone(0), state="answered")
    assert (await lifecycle.stop(db, "Minimal", actor=ANA, now=clock.now())).state == "stopping"
    assert await lifecycle.tick(db, clock.now()) == []
    await settle(db, talk)
    (change,) = await lifecycle.tick(db, clock.now())
    assert change.state == "stopped"
    with pytest.raises(Conflict, match="is stopped"):
        await lifecycle.resume(db, "Minimal", actor=ANA, now=clock.now())


@pytest.mark.parametrize("everything", [False, True])
async def test_stop_now_also_ends_answered_calls_and_those_that_were_to_be_cancelled_only(
    db: Database, clock: ManualClock, everything: bool
) -> None:
    campaign = await running(db, clock)
    await make_attempt(db, campaign, phone(0), state="answered")
    await make_attempt(db, campaign, phone(1), state="ringing")
    if everything:
        await lifecycle.stop_all(db, actor=ANA, now=clock.now())
        _, cancelled = await lifecycle.stop_all(db, actor=ANA, now=clock.now(), at_once=True)
    else:
        await lifecycle.pause(db, "Minimal", actor=ANA, now=clock.now())
        cancelled = (await lifecycle.stop(db, "Minimal", actor=ANA, now=clock.now(), at_once=True)).cancelled
    assert len(cancelled) == 2
    async with db.connection() as tx:
        for row in await rows(db, "SELECT id FROM attempts"):
            attempt = await attempts.by_id(tx, row["id"])
            assert attempt is not None
            assert attempt.to_hang_up


async def test_stop_all_holds_for_every_campaign_until_it_is_lifted(db: Database, clock: ManualClock) -> None:
    campaign = await running(db, clock)
    await make_attempt(db, campaign, phone(0), state="ringing")
    changed, cancelled = await lifecycle.stop_all(db, actor=ANA, now=clock.now(), why="complaint")
    assert changed
    assert len(cancelled) == 1
    assert await state_of(db) == "running"
    again, _ = await lifecycle.stop_all(db, actor=ANA, now=clock.now())
    assert not again
    change = await lifecycle.resume(db, "Minimal", actor=ANA, now=clock.now())
    assert "complaint" in change.warnings[0]
    assert await lifecycle.lift(db, actor=ANA, now=clock.now())
    assert not await lifecycle.lift(db, actor=ANA, now=clock.now())
    actions = [row["action"] for row in await rows(db, "SELECT action FROM audit_log ORDER BY id")]
    assert actions[-2:] == ["dialling.stop_all", "dialling.lift"]


async def test_an_edit_is_a_new_version_and_only_while_nothing_is_dialled(
    db: Database, clock: ManualClock
) -> None:
    campaign = await running(db, clock)
    faster = definition(pacing={"lines": 50})
    with pytest.raises(Conflict, match=r"is running .*can't be edited"):
        await lifecycle.edit(db, RULES, "Minimal", faster, actor=ANA, now=clock.now())
    await lifecycle.pause(db, "Minimal", actor=ANA, now=clock.now())
    row = await lifecycle.edit(db, RULES, "Minimal", faster, actor=ANA, now=clock.now())
    assert (row.version, row.lines, row.state) == (2, 50, "paused")
    async with db.connection() as tx:
        assert (await campaigns.definition(tx, campaign, 1))["pacing"]["lines"] == 10
        assert (await campaigns.history(tx, campaign))[-1]["why"] == "version 2: pacing changed"


async def test_a_started_campaign_keeps_its_purpose_and_its_lists(db: Database, clock: ManualClock) -> None:
    await running(db, clock)
    await make_list(db, "more")
    await lifecycle.pause(db, "Minimal", actor=ANA, now=clock.now())
    for changes in ({"purpose": "sales"}, {"lists": ["more"]}, {"name": "Other"}):
        with pytest.raises(Conflict):
            await lifecycle.edit(db, RULES, "Minimal", definition(**changes), actor=ANA, now=clock.now())
    both = definition(lists=["sample", "more"])
    await lifecycle.edit(db, RULES, "Minimal", both, actor=ANA, now=clock.now())


async def test_a_draft_may_change_its_lists(db: Database, clock: ManualClock) -> None:
    campaign = await made(db, clock, contacts=3)
    await make_list(db, "more", contacts=2, first=50)
    await lifecycle.edit(db, RULES, "Minimal", definition(lists=["more"]), actor=ANA, now=clock.now())
    await enrol.tick(db, RULES, clock.now())
    found = await rows(db, "SELECT phone FROM campaign_contacts WHERE campaign_id = :id", id=campaign)
    assert {row["phone"] for row in found} == {phone(50), phone(51)}


async def test_blocked_contacts_are_judged_again_after_a_resume(db: Database, clock: ManualClock) -> None:
    await running(db, clock)
    await rows(db, "UPDATE campaign_contacts SET state = 'blocked', next_at = NULL")
    await lifecycle.pause(db, "Minimal", actor=ANA, now=clock.now())
    await lifecycle.resume(db, "Minimal", actor=ANA, now=clock.now())
    found = await rows(db, "SELECT DISTINCT state, next_at FROM campaign_contacts")
    assert found == [{"state": "waiting", "next_at": clock.now()}]


async def test_redial_puts_chosen_contacts_back_with_an_explicit_budget(
    db: Database, clock: ManualClock
) -> None:
    campaign = await running(db, clock, contacts=3)
    for n, disposition in enumerate(["no_answer", "no_answer", "interested"]):
        await make_attempt(db, campaign, phone(n), state="ended", disposition=disposition, number=3)
    await lifecycle.tick(db, clock.now())
    assert await state_of(db) == "completed"
    change = await lifecycle.redial(db, "Minimal", ["no_answer"], 2, actor=ANA, now=clock.now())
    assert (change.state, change.contacts) == ("paused", {"no_answer": 2})
    found = await rows(db, "SELECT attempts, due_for FROM campaign_contacts WHERE state = 'waiting'")
    assert found == [{"attempts": 1, "due_for": "retry"}] * 2
    await lifecycle.resume(db, "Minimal", actor=ANA, now=clock.now())
    assert await state_of(db) == "running"


@pytest.mark.parametrize("disposition", ["do_not_call", "wrong_number", "nonsense"])
async def test_some_people_are_never_redialled(db: Database, clock: ManualClock, disposition: str) -> None:
    await running(db, clock)
    with pytest.raises(BadInput):
        await lifecycle.redial(db, "Minimal", [disposition], 1, actor=ANA, now=clock.now())


async def test_redial_never_exceeds_the_campaigns_budget(db: Database, clock: ManualClock) -> None:
    await running(db, clock)
    with pytest.raises(BadInput, match="budget is 3"):
        await lifecycle.redial(db, "Minimal", ["busy"], 4, actor=ANA, now=clock.now())
