"""What is gathered for a batch, against a real Postgres: the same facts that a person would look up."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib import resources
from typing import Any

from sqlalchemy import event, text

from campaign.domain.budget import Rates, parse_rates
from campaign.domain.campaign import CampaignDefinition, stored
from campaign.domain.facts import Facts
from campaign.flow import definitions, enrol, facts
from campaign.store import claims, dnc
from campaign.store.claims import DueContact
from campaign.store.database import Database
from campaign.store.facts import TRIED
from tests.support.campaigns import definition, make_attempt, make_list, phone, rows, rulebook
from tests.support.clock import TUESDAY_MORNING

NOW = TUESDAY_MORNING
RATES: Rates = parse_rates(
    resources.files("campaign").joinpath("rates.toml").read_text("utf-8"), "rates.toml"
)


async def campaign(db: Database, contacts: int = 3, *, name: str = "Minimal", **changes: Any) -> int:
    """A campaign over a list of its own; every contact is due now."""
    await make_list(db, f"list of {name}", contacts)
    made = await definitions.create(
        db, definition(name=name, lists=[f"list of {name}"], **changes), actor="test", now=NOW
    )
    await enrol.catch_up(db, rulebook(), made.id, NOW)
    await rows(db, "UPDATE campaign_contacts SET next_at = :now", now=NOW)
    return made.id


async def gathered(db: Database, *campaigns: int, now: datetime = NOW) -> list[tuple[DueContact, Facts]]:
    """As the dialler does it: what is due, and its facts, in one transaction."""
    async with db.transaction() as tx:
        due = await claims.due(tx, dict.fromkeys(campaigns, 100), now)
        standing = await facts.situation(tx, await defined(tx, campaigns), now, rates=RATES)
        return list(zip(due, await facts.gather(tx, due, standing, now), strict=True))


async def defined(tx: Any, campaigns: Sequence[int]) -> dict[int, CampaignDefinition]:
    found = await claims.definitions(tx, [(one, 1) for one in campaigns])
    return {key: stored(value) for (key, _), value in found.items()}


async def test_a_contact_without_history_has_plain_facts(db: Database) -> None:
    one = await campaign(db, 1)
    ((row, known),) = await gathered(db, one)
    assert known.number.e164 == row.number == phone(0)
    assert known.place.zones == ("America/New_York",)
    assert known.consent is None
    assert (known.dnc, known.attempts, known.unsettled_since) == ((), (), None)
    assert known.policy.state == "draft"
    assert known.policy.regions == {"US"}
    assert known.reserve is not None
    assert known.reserve > 0
    assert known.money_left is None


async def test_lists_count_for_the_campaigns_that_use_them_and_the_own_list_for_all(db: Database) -> None:
    async with db.transaction() as tx:
        partners = await dnc.ensure_list(tx, "partners", "campaign", NOW)
        elsewhere = await dnc.ensure_list(tx, "elsewhere", "campaign", NOW)
        registry = await dnc.ensure_list(tx, "us-national-dnc", "registry", NOW, NOW - timedelta(days=3))
        own = await dnc.ensure_list(tx, None, "own", NOW)
        for list_id, number in ((partners, 0), (elsewhere, 0), (own, 1), (registry, 2)):
            entry = [(phone(number), "asked")]
            await dnc.bulk_add(tx, list_id, entry, source="import", actor="test", now=NOW)
    one = await campaign(db, 3, dnc_lists=["partners"])
    two = await campaign(db, 1, name="Other")
    found = {(row.campaign_id, row.number): known for row, known in await gathered(db, one, two)}
    assert [hit.list_name for hit in found[one, phone(0)].dnc] == ["partners"]
    assert [hit.kind for hit in found[one, phone(1)].dnc] == ["own"]
    assert [hit.list_name for hit in found[one, phone(2)].dnc] == ["us-national-dnc"]
    assert found[two, phone(0)].dnc == ()
    assert found[one, phone(0)].scrubs["us-national-dnc"].as_of == NOW - timedelta(days=3)


async def test_attempts_of_all_campaigns_count_and_those_that_never_rang_do_not(db: Database) -> None:
    one = await campaign(db, 2)
    two = await campaign(db, 2, name="Other")
    ago = [timedelta(hours=h) for h in (1, 5, 30, 24 * 31)]
    for n, back in enumerate(ago):
        await make_attempt(
            db, two if n % 2 else one, phone(0), state="ended", disposition="no_answer", now=NOW - back,
            number=n + 1, retry_at=NOW,
        )  # fmt: skip
    await make_attempt(db, one, phone(0), state="not_placed", now=NOW - timedelta(minutes=1), number=8)
    cancelled = await make_attempt(db, one, phone(0), state="ended", disposition="canceled", number=9)
    await rows(db, "UPDATE attempts SET call_status = 'canceled' WHERE id = :id", id=cancelled)
    calling = await make_attempt(db, two, phone(1), state="ringing", now=NOW - timedelta(seconds=20))
    await rows(db, "UPDATE campaign_contacts SET state = 'waiting', next_at = :now", now=NOW)
    found = {(row.campaign_id, row.number): known for row, known in await gathered(db, one, two)}
    for campaign_id in (one, two):
        assert sorted(found[campaign_id, phone(0)].attempts) == [NOW - back for back in ago[2::-1]]
        assert found[campaign_id, phone(0)].unsettled_since is None
        assert found[campaign_id, phone(1)].unsettled_since == NOW - timedelta(seconds=20)
    test_call = "UPDATE attempts SET kind = 'test', settled_at = :now, state = 'ended' WHERE id = :id"
    await rows(db, test_call, now=NOW, id=calling)
    found = {(row.campaign_id, row.number): known for row, known in await gathered(db, one, two)}
    assert found[one, phone(1)].attempts == ()


async def test_a_batch_is_never_promised_more_money_than_there_is(db: Database) -> None:
    one = await campaign(db, 5)
    ((_, free), *_) = await gathered(db, one)
    assert free.reserve is not None
    capped = await campaign(db, 5, name="Capped", budget={"total": str(free.reserve * Decimal("2.5"))})
    found = [known for _, known in await gathered(db, capped)]
    affordable = [
        k for k in found if k.money_left is not None and k.reserve is not None and k.reserve <= k.money_left
    ]
    assert len(affordable) == 2
    spent = "INSERT INTO campaign_spend (campaign_id, day, spent) VALUES (:id, :day, :spent)"
    await rows(db, spent, id=capped, day=NOW.astimezone(UTC).date(), spent=free.reserve * 2)
    found = [known for _, known in await gathered(db, capped)]
    assert all(k.money_left is not None and k.money_left < free.reserve for k in found)


async def test_caller_ids_take_turns_and_stop_at_their_daily_cap(db: Database) -> None:
    pool = [{"number": "+12025550101", "daily_cap": 2}, {"number": "+12025550102", "daily_cap": 1}]
    one = await campaign(db, 5, caller_ids=pool)
    first = [known.callers[:1] for _, known in await gathered(db, one)]
    assert first == [("+12025550101",), ("+12025550102",), ("+12025550101",), (), ()]


async def test_a_second_number_adds_its_own_whereabouts(db: Database) -> None:
    one = await campaign(db, 1)
    await rows(db, "UPDATE contacts SET other_phones = ARRAY['+13105550142']")
    await rows(db, "UPDATE campaign_contacts SET number_index = 1")
    ((_, known),) = await gathered(db, one)
    assert known.number.e164 == "+13105550142"
    assert known.place.zones == ("America/Los_Angeles", "America/New_York")
    assert known.place.regions == ("US-CA", "US-NY")


async def test_a_zone_that_the_person_named_is_added_and_an_unreadable_one_forbids(db: Database) -> None:
    one = await campaign(db, 1)
    await rows(db, "UPDATE contacts SET said_zone = 'Pacific'")
    ((_, known),) = await gathered(db, one)
    assert "America/Los_Angeles" in known.place.zones
    await rows(db, "UPDATE contacts SET said_zone = 'Mars/Base'")
    ((_, known),) = await gathered(db, one)
    assert "Mars/Base" in known.place.zones


async def test_consent_and_budget_come_from_contact_and_campaign(db: Database) -> None:
    one = await campaign(db, 1, retry={"budget": 4})
    await rows(
        db,
        "UPDATE contacts SET consent = 'express_written', consent_at = :at, consent_source = 'web form', "
        "party = 'business'",
        at=NOW - timedelta(days=9),
    )
    await rows(db, "UPDATE campaign_contacts SET attempts = 2, due_for = 'callback'")
    ((_, known),) = await gathered(db, one)
    assert known.consent is not None
    assert (known.consent.level, known.consent.source) == ("express_written", "web form")
    assert (known.party, known.attempts_made, known.attempts_allowed) == ("business", 2, 4)
    assert known.callback_due


async def test_a_batch_of_a_hundred_takes_two_statements_and_its_situation_four_or_five(db: Database) -> None:
    one = await campaign(db, 100)
    count = 0

    def counted(*_: Any) -> None:
        nonlocal count
        count += 1

    async with db.transaction() as tx:
        due = await claims.due(tx, {one: 100}, NOW)
        known = await defined(tx, [one])
        event.listen(tx.sync_connection, "before_cursor_execute", counted)
        standing = await facts.situation(tx, known, NOW, rates=RATES)
        of_situation, count = count, 0
        assert len(await facts.gather(tx, due, standing, NOW)) == 100
    assert count == 2
    assert of_situation <= 5


async def test_history_is_read_by_index_whatever_the_tables_size(db: Database) -> None:
    one = await campaign(db, 2)
    await make_attempt(db, one, phone(0), state="ended", disposition="busy", retry_at=NOW)
    async with db.transaction() as tx:
        await tx.execute(text("SET LOCAL enable_seqscan = off"))
        plan = await tx.execute(
            text("EXPLAIN " + TRIED.text),
            {"phones": [phone(0)], "numbers": [phone(0)], "since": NOW - timedelta(days=30)},
        )
        told = "\n".join(row[0] for row in plan)
    assert "ix_attempts_phone_intent_at" in told
    assert "uq_attempts_one_unsettled_per_phone" in told
    assert "Seq Scan" not in told


async def test_abandoned_calls_are_counted_among_those_that_a_person_answered(db: Database) -> None:
    one = await campaign(db, 4)
    for n, disposition in enumerate(("interested", "not_interested", "no_answer", "abandoned")):
        await make_attempt(db, one, phone(n), state="ended", disposition=disposition)
    await rows(db, "UPDATE outcomes SET abandoned = true WHERE disposition = 'abandoned'")
    counts = facts.AbandonmentCounts()

    async def counted(now: datetime) -> tuple[int | None, int]:
        async with db.connection() as tx:
            known = await defined(tx, [one])
            standing = await facts.situation(tx, known, now, rates=RATES, abandonment=counts)
            policy = standing.campaigns[one].policy
            return policy.live_answered, policy.abandoned

    soon = NOW + timedelta(seconds=1)
    assert await counted(soon) == (3, 1)
    await rows(db, "UPDATE outcomes SET abandoned = true")
    assert await counted(soon + timedelta(seconds=59)) == (3, 1)
    assert await counted(soon + timedelta(seconds=60)) == (4, 4)
    assert await counted(NOW + timedelta(days=31)) == (0, 0)


async def test_attempts_to_any_number_of_a_person_count_for_the_person(db: Database) -> None:
    """Over all numbers of a contact, and of contacts of other lists that share a number with it."""
    mobile, office = "+13105550142", "+14155550142"
    one = await campaign(db, 2)
    two = await campaign(db, 1, name="Other")
    third = await campaign(db, 1, name="Third")
    for campaign_id, numbers in ((one, [mobile]), (two, [mobile, office])):
        await rows(
            db,
            "UPDATE contacts SET other_phones = :others WHERE phone = :phone AND id IN "
            "(SELECT contact_id FROM campaign_contacts WHERE campaign_id = :id)",
            others=numbers, phone=phone(0), id=campaign_id,
        )  # fmt: skip
    await rows(db, "UPDATE contacts SET phone = :office WHERE id = (SELECT contact_id FROM campaign_contacts "
               "WHERE campaign_id = :id)", office=office, id=third)  # fmt: skip
    ago = [NOW - timedelta(hours=h) for h in (1, 2, 3)]
    for number, at in zip((phone(0), mobile, office), ago, strict=True):
        made = await make_attempt(db, one, phone(0), state="ended", disposition="no_answer", retry_at=NOW,
                                  now=at, number=at.hour)  # fmt: skip
        await rows(db, "UPDATE attempts SET phone = :number WHERE id = :id", number=number, id=made)
    await rows(db, "UPDATE campaign_contacts SET state = 'waiting', next_at = :now", now=NOW)
    found = {(row.campaign_id, row.phone): known for row, known in await gathered(db, one, two, third)}
    here = found[one, phone(0)]
    assert here.attempts == (ago[0],)
    assert sorted(here.elsewhere) == sorted(ago[1:]), "the office is a number of the same person elsewhere"
    assert sorted(found[two, phone(0)].elsewhere) == sorted(ago[1:])
    assert (found[one, phone(1)].attempts, found[one, phone(1)].elsewhere) == ((), ())
    await rows(
        db, "UPDATE attempts SET settled_at = NULL, state = 'ringing' WHERE phone = :number", number=mobile
    )
    found = {(row.campaign_id, row.phone): known for row, known in await gathered(db, one, two, third)}
    assert found[two, phone(0)].unsettled_since == ago[1], "one call at a time to one person"
    assert found[one, phone(1)].unsettled_since is None


async def test_whom_a_batch_shares_numbers_with_is_found_by_index_however_many_there_are(
    db: Database,
) -> None:
    one = await campaign(db, 2)
    await rows(
        db,
        "INSERT INTO contacts (list_id, phone, other_phones, place, created_at) "
        "SELECT (SELECT min(id) FROM contact_lists), '+1313' || lpad(n::text, 7, '0'), "
        "CASE WHEN n % 5 = 0 THEN ARRAY['+1314' || lpad(n::text, 7, '0')] ELSE '{}'::text[] END, "
        "'US||America/Detroit', :now FROM generate_series(1, 20000) AS n",
        now=NOW,
    )
    await make_attempt(db, one, phone(0), state="ended", disposition="busy", retry_at=NOW)
    await rows(db, "ANALYZE contacts")
    numbers = [f"+1313{n:07}" for n in range(0, 6000, 10)]
    given = {"phones": numbers, "numbers": numbers, "since": NOW - timedelta(days=30)}
    async with db.transaction() as tx:
        told = "\n".join(row[0] for row in await tx.execute(text("EXPLAIN " + TRIED.text), given))
    assert "ix_contacts_other_phones" in told
    assert "ix_contacts_phone" in told
    assert "Seq Scan on contacts" not in told
