"""Look-ups before the dial, on a real database, with the simulator's Lookup at the other end of a socket."""

import dataclasses
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import event

from campaign.domain.budget import Rates
from campaign.domain.campaign import stored
from campaign.domain.errors import SettingsError
from campaign.domain.lookup import Want
from campaign.domain.phone import PhoneNumber, parse
from campaign.domain.rulebook import Rulebook, parse_rulebook
from campaign.domain.rules import Verdict, decide
from campaign.flow import explain, facts, hindrances
from campaign.flow.dialer import Dialer
from campaign.flow.lookups import HOLD_S, Lookups, ask_by_hand
from campaign.flow.story_words import tell
from campaign.settings import read_settings
from campaign.simulator import ACCOUNT_SID, AUTH_TOKEN, Faults, Simulator
from campaign.store import campaigns, claims, dnc
from campaign.store.database import Database
from campaign.telephony.lookup import TwilioLookup
from campaign.wiring import ServiceClock, read_rates
from tests.support.campaigns import phone, rows, rulebook
from tests.support.dialing import dialer, moved_clock, running_campaign, twilio
from tests.support.money import unbalanced

RATES = read_rates(read_settings({}, None))
LINE = {"checks": {"line_type": True}}
OWNER = {"checks": {"reassigned": True}}
BOTH = {"checks": {"line_type": True, "reassigned": True}}


@dataclass
class Rig:
    db: Database
    clock: ServiceClock
    there: Simulator
    asker: TwilioLookup
    dialler: Dialer

    def lookups(self, rates: Rates = RATES, book: Rulebook | None = None, cps: float = 1.0) -> Lookups:
        return Lookups(
            self.db,
            self.clock,
            lambda: self.asker,
            rulebook=book or rulebook(),
            rates=rates,
            calls_per_second=cps,
        )

    async def look(self, later: timedelta = timedelta(0), **options: Any) -> int:
        """One tick."""
        return await self.lookups(**options).tick(self.clock.now() + later)

    async def dialled(self) -> list[str]:
        """Whom the next claims take, until one takes nobody."""
        found: list[str] = []
        while True:
            claim = await self.dialler.claim()
            if not claim.dials and claim.wait_s:
                return found
            found += [one.phone for one in claim.dials]

    async def told(self, name: str = "Minimal", rates: Rates = RATES) -> list[str]:
        """What keeps the campaign from dialling, but that no process runs."""
        async with self.db.connection() as tx:
            row = await campaigns.find(tx, name)
            found = await hindrances.of_campaign(tx, row, self.clock.now(), rates=rates, rulebook=rulebook())
        return [one for one in found if "heartbeat" not in one]

    def asked(self) -> list[str]:
        return [one.number for one in self.there.lookups]


@asynccontextmanager
async def rig(db: Database, **config: Any) -> AsyncIterator[Rig]:
    clock = moved_clock()
    async with twilio(clock, **config) as (there, gateway):
        asker = TwilioLookup(ACCOUNT_SID, ACCOUNT_SID, AUTH_TOKEN, there.base_url, total_seconds=1)
        try:
            yield Rig(db, clock, there, asker, dialer(db, clock, gateway, cps=1000))
        finally:
            await asker.close()


async def standing(db: Database) -> dict[str, tuple[str, str | None]]:
    found = await rows(db, "SELECT phone, state, waiting_for FROM campaign_contacts")
    return {row["phone"]: (row["state"], row["waiting_for"]) for row in found}


async def known(db: Database, number: str, **columns: Any) -> None:
    given = {"what": "line_type", "about": None, "answer": "mobile", **columns}
    await rows(
        db,
        "INSERT INTO number_lookups (phone, what, about, answer, asked_at, source, actor) "
        "VALUES (:phone, :what, CAST(:about AS date), :answer, :asked_at, 'test', 'test')",
        phone=number,
        **given,
    )


async def test_nobody_is_dialled_before_the_checks_and_then_only_who_passes(db: Database) -> None:
    words = dict(
        zip(map(phone, range(5)), ("landline", "mobile", "tollFree", "pager", "mobile"), strict=True)
    )
    owners = dict.fromkeys(words, "no") | {phone(4): "yes"}
    async with rig(db, lines=words, owners=owners) as house:
        await running_campaign(db, house.clock, 5, **BOTH)
        before = await rows(db, "SELECT phone, next_at FROM campaign_contacts ORDER BY phone")
        assert await house.dialled() == []
        assert set((await standing(db)).values()) == {("waiting", "check.line_type")}
        assert await rows(db, "SELECT phone, next_at FROM campaign_contacts ORDER BY phone") == before
        assert await house.look() == 5
        assert await house.look() == 0
        assert sorted(await house.dialled()) == [phone(0), phone(1)]
    assert await standing(db) == {
        phone(0): ("calling", None),
        phone(1): ("calling", None),
        phone(2): ("blocked", "number.kind"),
        phone(3): ("blocked", "number.kind"),
        phone(4): ("blocked", "check.reassigned"),
    }
    assert sorted(house.asked()) == sorted(words)


async def test_who_waits_is_written_down_once_however_often_the_dialler_looks(db: Database) -> None:
    async with rig(db) as house:
        await running_campaign(db, house.clock, 3, **LINE)
        await house.dialled()
        first = await rows(db, "SELECT xmin::text, updated_at FROM campaign_contacts ORDER BY id")
        for _ in range(3):
            assert await house.dialled() == []
        assert await rows(db, "SELECT xmin::text, updated_at FROM campaign_contacts ORDER BY id") == first
        (kept,) = await rows(db, "SELECT count(*) AS n FROM decisions")
        assert kept["n"] == 3


async def test_each_answer_is_a_row_with_its_price_and_counts_as_the_campaigns_money(db: Database) -> None:
    async with rig(db, lines={phone(0): "mobile"}, owners={phone(0): "no"}) as house:
        await running_campaign(db, house.clock, 1, **BOTH, budget={"total": "100"})
        await house.look()
        found = await rows(
            db, "SELECT phone, what, about, answer, cost, source, actor FROM number_lookups ORDER BY what"
        )
    assert [tuple(row.values()) for row in found] == [
        (phone(0), "line_type", None, "mobile", Decimal("0.01"), "twilio", "system:lookups"),
        (phone(0), "reassigned", date(2026, 10, 1), "no", Decimal("0.03"), "twilio", "system:lookups"),
    ]
    (spent,) = await rows(db, "SELECT spent, attempts FROM campaign_spend")
    assert (spent["spent"], spent["attempts"]) == (Decimal("0.04"), 0)
    assert await unbalanced(db) == []


async def test_nobody_pays_for_a_number_that_another_rule_forbids_or_no_money_is_left_for(
    db: Database,
) -> None:
    async with rig(db) as house:
        await running_campaign(db, house.clock, 4, **LINE, budget={"total": "100"})
        await rows(db, "UPDATE contacts SET consent = 'none' WHERE phone = :phone", phone=phone(0))
        async with db.transaction() as tx:
            own = await dnc.ensure_list(tx, None, "own", house.clock.now())
            await dnc.bulk_add(
                tx, own, [(phone(1), "asked")], source="import", actor="test", now=house.clock.now()
            )
        await house.look()
        assert sorted(house.asked()) == [phone(2), phone(3)]
        await running_campaign(db, house.clock, 3, name="Poor", first=100, **LINE, budget={"total": "0.02"})
        assert await house.look() == 0


async def test_only_who_is_due_soon_is_asked_about_and_callbacks_first(db: Database) -> None:
    async with rig(db) as house:
        await running_campaign(db, house.clock, 30, **LINE)
        now = house.clock.now()
        plan = "UPDATE campaign_contacts SET next_at = :at WHERE phone = :phone"
        await rows(db, plan, at=now + timedelta(minutes=5), phone=phone(0))
        await rows(db, plan, at=now + timedelta(hours=2), phone=phone(1))
        await rows(
            db,
            "UPDATE campaign_contacts SET priority = -1, due_for = 'callback' WHERE phone = :p",
            p=phone(29),
        )
        assert await house.look() == 10
        assert phone(29) in house.asked()
        assert phone(0) not in house.asked()
        assert await house.look() + await house.look() == 19
        assert house.asked()[-1] == phone(0)
        assert await house.look() == 0
        assert phone(1) not in house.asked()


async def test_campaigns_take_turns_and_share_what_is_known(db: Database) -> None:
    async with rig(db) as house:
        await running_campaign(db, house.clock, 30, name="One", **LINE)
        await running_campaign(db, house.clock, 30, name="Two", first=20, **LINE)
        await house.look()
        first = house.asked()
        assert (sum(n < phone(20) for n in first), len(first)) == (5, 10)
        while await house.look():
            pass
    assert sorted(house.asked()) == [phone(n) for n in range(50)]


async def test_with_lookup_away_the_campaign_waits_says_why_and_goes_on_by_itself(db: Database) -> None:
    async with rig(db, faults=Faults(lookup_5xx=1), lines={phone(0): "mobile"}) as house:
        await running_campaign(db, house.clock, 2, **LINE)
        assert await house.told() == []
        assert await house.look() > 0
        assert await house.dialled() == []
        (sentence,) = await house.told()
        assert "No line-type check can be made, so whoever waits for one is not dialled" in sentence
        assert "Twilio answered 500" in sentence
        assert "Next try: " in sentence
        assert await house.look() == 0, "held"
        again = timedelta(seconds=HOLD_S + 1)
        await house.look(later=again)
        (held,) = await rows(db, "SELECT failures, held_until FROM lookup_holds")
        assert held["failures"] == 2
        assert held["held_until"] > house.clock.now() + timedelta(seconds=HOLD_S)
        house.there.faults.update({"lookup_5xx": 0})
        assert await house.look(later=timedelta(minutes=2)) == 2
        assert await house.told() == []
        assert len(await house.dialled()) >= 1
    assert await unbalanced(db) == []


async def test_a_throttled_lookup_waits_as_long_as_twilio_asks(db: Database) -> None:
    async with rig(db, faults=Faults(lookup_429=1, rest_retry_after=120)) as house:
        await running_campaign(db, house.clock, 1, **LINE)
        await house.look()
        (held,) = await rows(db, "SELECT held_until FROM lookup_holds")
        assert timedelta(seconds=110) < held["held_until"] - house.clock.now() <= timedelta(seconds=120)


async def test_a_package_that_is_not_enabled_is_told_with_what_to_do_and_the_other_is_still_asked(
    db: Database,
) -> None:
    async with rig(db, faults=Faults(lookup_not_enabled=1)) as house:
        await running_campaign(db, house.clock, 1, **OWNER)
        await house.look()
        (sentence,) = await house.told()
        assert "reassigned_number is not enabled for this account. (60606) Ask Twilio for access" in sentence
        house.there.faults.update({"lookup_not_enabled": 0})
        await running_campaign(db, house.clock, 1, name="Lines", first=50, **BOTH)
        await house.look()
    (query,) = [one.query for one in house.there.lookups if one.number == phone(50)]
    assert query == {"Fields": "line_type_intelligence"}


async def test_one_number_that_cannot_be_looked_up_is_put_off_and_lets_the_others_pass(db: Database) -> None:
    async with rig(db, faults=Faults(lookup_provider=1)) as house:
        await running_campaign(db, house.clock, 1, **LINE)
        await house.look()
        house.there.faults.update({"lookup_provider": 0})
        (row,) = await rows(db, "SELECT state, waiting_for, next_at FROM campaign_contacts")
        assert (row["state"], row["waiting_for"]) == ("waiting", "check.line_type")
        assert row["next_at"] > house.clock.now() + timedelta(minutes=9)
        assert await house.told() == []
        assert await house.look(later=timedelta(minutes=10)) == 1


async def test_without_a_price_nothing_is_asked_and_the_campaign_says_so(db: Database) -> None:
    free = dataclasses.replace(RATES, lookup={})
    async with rig(db) as house:
        await running_campaign(db, house.clock, 1, **BOTH)
        assert await house.look(rates=free) == 0
        line, owner = await house.told(rates=free)
        assert "There is no price for a line-type check" in line
        assert "There is no price for a check for a new owner" in owner


async def test_without_an_account_the_campaign_says_so(db: Database) -> None:
    async with rig(db) as house:
        await running_campaign(db, house.clock, 1, **LINE)

        def none() -> TwilioLookup:
            raise SettingsError("Not set: TWILIO_ACCOUNT_SID.")

        asking = Lookups(db, house.clock, none, rulebook=rulebook(), rates=RATES, calls_per_second=1)
        await asking.tick(house.clock.now())
        (sentence,) = await house.told()
        assert "TWILIO_ACCOUNT_SID" in sentence


async def test_an_answer_that_is_too_old_is_asked_for_again_and_a_fresh_one_is_not(db: Database) -> None:
    async with rig(db, lines={phone(0): "landline"}) as house:
        await running_campaign(db, house.clock, 2, **LINE)
        now = house.clock.now()
        await known(db, phone(0), asked_at=now - timedelta(days=15, minutes=1))
        await known(db, phone(1), asked_at=now - timedelta(days=14))
        assert await house.dialled() == [phone(1)]
        assert await house.look() == 1
        assert house.asked() == [phone(0)]
        assert await house.dialled() == [phone(0)]


async def test_what_an_owner_check_says_depends_on_the_date_of_consent(db: Database) -> None:
    consent, day = date(2026, 10, 1), timedelta(days=1)
    cases: list[tuple[str, date, bool]] = [
        ("no", consent, True),
        ("no", consent - day, True),
        ("no", consent + day, False),
        ("yes", consent, True),
        ("yes", consent + day, True),
        ("yes", consent - day, False),
        ("no_data", consent, True),
        ("no_data", consent - day, False),
    ]
    async with rig(db) as house:
        await running_campaign(db, house.clock, len(cases), **OWNER)
        for n, (answer, about, _) in enumerate(cases):
            asked_at = house.clock.now() - day
            await known(db, phone(n), what="reassigned", about=about, answer=answer, asked_at=asked_at)
        await house.look()
    telling = {phone(n) for n, (_, _, tells) in enumerate(cases) if tells}
    assert set(house.asked()) == set(map(phone, range(len(cases)))) - telling


async def test_a_yes_never_ages_and_a_campaign_may_shorten_how_long_a_no_holds(db: Database) -> None:
    async with rig(db) as house:
        await running_campaign(db, house.clock, 2, checks={"reassigned": True, "reassigned_days": 1})
        now, consent = house.clock.now(), date(2026, 10, 1)
        for n, (answer, days) in enumerate((("yes", 200), ("no", 2))):
            asked_at = now - timedelta(days=days)
            await known(db, phone(n), what="reassigned", about=consent, answer=answer, asked_at=asked_at)
        await house.look()
        assert house.asked() == [phone(1)]


async def test_without_a_date_of_consent_the_owner_cannot_be_asked_about(db: Database) -> None:
    async with rig(db) as house:
        await running_campaign(db, house.clock, 1, **OWNER)
        await rows(db, "UPDATE contacts SET consent_at = NULL")
        assert await house.look() == 0
        assert await house.dialled() == []
    assert await standing(db) == {phone(0): ("blocked", "check.reassigned")}


async def test_a_pack_may_demand_the_owner_check_where_the_campaign_does_not(db: Database) -> None:
    book = demanding()
    async with rig(db, owners={phone(0): "no"}) as house:
        campaign_id = await running_campaign(db, house.clock, 1)

        async def verdict() -> Verdict:
            now = house.clock.now()
            async with db.transaction() as tx:
                found = await claims.definitions(tx, [(campaign_id, 1)])
                defined = {campaign_id: stored(found[campaign_id, 1])}
                due = await claims.due(tx, {campaign_id: 1}, now)
                situation = await facts.situation(tx, defined, now, rates=RATES, rulebook=book)
                (fact,) = await facts.gather(tx, due, situation, now)
            return decide(fact, book, now).verdict

        assert await verdict() is Verdict.DEFER
        assert await house.look(book=book) == 1
        assert await verdict() is Verdict.ALLOW


def demanding() -> Rulebook:
    """The United States with one rule: owners must have been checked within ten days."""
    return parse_rulebook(
        {
            "test.toml": """
                [[pack]]
                id = "US"
                match = { country = "US" }
                version = "1"
                  [[pack.rule]]
                  id = "US.reassigned"
                  kind = "reassigned"
                  max_age_days = 10
                  status = "in_force"
                  effective_from = 2021-11-01
                  source = { cite = "47 CFR 64.1200(m)", read_on = 2026-11-21 }
            """
        }
    )


async def test_look_ups_cost_a_claim_one_statement_and_none_when_no_campaign_asks(db: Database) -> None:
    async with rig(db) as house:
        asking = await running_campaign(db, house.clock, 40, name="Asks", **BOTH)
        plain = await running_campaign(db, house.clock, 40, name="Plain", first=100)

        async def statements(campaign_id: int) -> int:
            now, count = house.clock.now(), 0

            def counted(*_: Any) -> None:
                nonlocal count
                count += 1

            async with db.transaction() as tx:
                found = await claims.definitions(tx, [(campaign_id, 1)])
                defined = {campaign_id: stored(found[campaign_id, 1])}
                due = await claims.due(tx, {campaign_id: 40}, now)
                situation = await facts.situation(tx, defined, now, rates=RATES, rulebook=rulebook())
                listen: Callable[..., Any] = event.listen
                listen(tx.sync_connection, "before_cursor_execute", counted)
                assert len(await facts.gather(tx, due, situation, now)) == 40
            return count

        assert await statements(asking) == 3
        assert await statements(plain) == 2


async def test_asked_by_hand_no_campaign_pays_and_the_story_tells_it(db: Database) -> None:
    async with rig(db, lines={phone(0): "landline"}, owners={phone(0): "yes"}) as house:
        campaign_id = await running_campaign(db, house.clock, 1, **BOTH)
        findings, lacks = await ask_by_hand(
            db,
            house.asker,
            phone(0),
            frozenset(Want),
            date(2026, 10, 1),
            rates=RATES,
            actor="cli:ana",
            now=house.clock.now(),
        )
        assert (len(findings), list(lacks)) == (2, [])
        assert await house.look() == 0
        assert await rows(db, "SELECT * FROM campaign_spend WHERE campaign_id = :id", id=campaign_id) == []
        number = parse(phone(0), None)
        assert isinstance(number, PhoneNumber)
        told = await explain.explain(db, number, house.clock.now(), rulebook=rulebook(), rates=RATES)
    sentences = "\n".join(one for _, part in tell(told) for one in part)
    assert "it is a fixed line, with Example Telephone (twilio, asked by cli:ana, cost 0.01)." in sentences
    assert "it has a new owner since 2026-10-01 (twilio, asked by cli:ana, cost 0.03)." in sentences
    assert "The number has a new owner since consent was given" in sentences
    assert {one["what"] for one in explain.to_json(told)["lookups"]} == {"line_type", "reassigned"}


async def test_a_second_number_is_asked_about_when_its_turn_comes(db: Database) -> None:
    async with rig(db) as house:
        await running_campaign(db, house.clock, 1, **LINE)
        await rows(db, "UPDATE contacts SET other_phones = ARRAY['+12125559999']")
        await rows(db, "UPDATE campaign_contacts SET number_index = 1")
        assert await house.look() == 1
        assert house.asked() == ["+12125559999"]
