"""An opt-out from any channel: kept with its words, its time and its origin, and in force for the very next
intent of every campaign."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from campaign.domain.contact_sheet import contact_from
from campaign.flow import intake, outcomes
from campaign.flow.intake import Options
from campaign.flow.optout_journal import Entry, append, replay
from campaign.flow.suppress import Asked, as_marked, opt_out, suppress
from campaign.store import dnc
from campaign.store.database import Database
from campaign.wiring import ServiceClock
from tests.support import rows as builders
from tests.support.campaigns import phone, rows
from tests.support.clock import ManualClock
from tests.support.dialing import dialer, moved_clock, running_campaign, twilio

Told = Callable[[Database, ServiceClock, Path], Awaitable[None]]
HOME = "+13055550101"


async def in_a_call(db: Database, clock: ServiceClock, _: Path) -> None:
    said = Asked(phone(0), "stop calling me", "conversation", "system:attempt 1", clock.now(), None)
    await opt_out(db, said, clock.now())


async def by_a_key(db: Database, clock: ServiceClock, _: Path) -> None:
    said = Asked(phone(0), "pressed 9", "keypress", "system:attempt 1", clock.now(), None)
    await opt_out(db, said, clock.now())


async def while_postgres_was_away(db: Database, clock: ServiceClock, folder: Path) -> None:
    await append(folder, Entry(phone(0), "pressed 9", "keypress", clock.now(), "system:attempt 1"))
    await replay(db, folder, clock.now() + timedelta(seconds=60))


async def over_the_api(db: Database, clock: ServiceClock, _: Path) -> None:
    await suppress(
        db,
        None,
        [phone(0)],
        reason="asked by e-mail",
        source="api",
        actor="key:crm",
        now=clock.now(),
        quote="please do not ring",
    )


async def by_a_file_of_numbers(db: Database, clock: ServiceClock, folder: Path) -> None:
    await read(db, clock, folder, f"phone,reason\n{phone(0)},asked by letter\n", kind="dnc")


async def by_a_list_that_says_so(db: Database, clock: ServiceClock, folder: Path) -> None:
    await read(db, clock, folder, f"phone,opt_out\n{phone(0)},yes\n{phone(1)},no\n", kind="contacts")


async def read(db: Database, clock: ServiceClock, folder: Path, text: str, *, kind: str) -> None:
    path = folder / "file.csv"
    path.write_text(text)
    begun = await intake.begin(
        db,
        clock,
        path,
        "later" if kind == "contacts" else None,
        Options(region="US"),
        kind=kind,
        max_bytes=10_000,
        actor="cli:ana",
    )
    await intake.run(db, clock, begun.id)


CHANNELS = {
    in_a_call: ("conversation", "stop calling me"),
    by_a_key: ("keypress", "pressed 9"),
    while_postgres_was_away: ("keypress", "pressed 9"),
    over_the_api: ("api", "please do not ring"),
    by_a_file_of_numbers: ("import", None),
    by_a_list_that_says_so: ("import", None),
}


@pytest.mark.parametrize("told", CHANNELS, ids=lambda told: told.__name__)
async def test_an_opt_out_is_kept_with_its_origin_and_holds_for_the_next_intent_of_every_campaign(
    db: Database, tmp_path: Path, told: Told
) -> None:
    clock = moved_clock()
    async with twilio(clock) as (_, gateway):
        for name in ("One", "Two"):
            await running_campaign(db, clock, 2, name=name, pacing={"lines": 100})
        before = clock.now()
        await told(db, clock, tmp_path)
        claim = await dialer(db, clock, gateway, cps=100).claim()
    assert {dial.phone for dial in claim.dials} == {phone(1)}
    kept = await builders.row(db, "dnc_entries")
    assert kept["phone"] == phone(0)
    assert (kept["source"], kept["quote"]) == CHANNELS[told]
    assert before <= kept["added_at"] <= before + timedelta(seconds=30), "when it was asked, not written"
    found = await rows(db, "SELECT state FROM campaign_contacts WHERE phone = :p", p=phone(0))
    assert [row["state"] for row in found] == ["blocked", "blocked"]


# ── a person with several numbers ──────────────────────────────────────────────────────────────────────


async def test_who_asks_on_one_number_is_not_called_on_another(db: Database, clock: ManualClock) -> None:
    attempt = await builders.dialled(db, clock.now(), others=(HOME,), state="answered")
    asked = Asked(builders.PHONE, "stop", "conversation", f"system:attempt {attempt}", clock.now(), attempt)
    done = await opt_out(db, asked, clock.now())
    assert done.added == 2
    kept = await builders.rows(db, "dnc_entries", "phone")
    assert [(row["phone"], row["quote"]) for row in kept] == [(builders.PHONE, "stop"), (HOME, "stop")]
    assert "another number" in kept[1]["reason"]


async def test_all_numbers_of_a_contact_only_when_asked_for(db: Database, clock: ManualClock) -> None:
    async with db.transaction() as tx:
        await builders.contact(tx, clock.now(), others=(HOME,))

    async def add(*, all_numbers: bool) -> int:
        done = await suppress(
            db,
            None,
            [HOME],
            reason="by e-mail",
            source="api",
            actor="key:crm",
            now=clock.now(),
            all_numbers=all_numbers,
        )
        return done.added

    assert await add(all_numbers=False) == 1
    assert await add(all_numbers=True) == 1
    async with db.connection() as tx:
        assert await dnc.check(tx, builders.PHONE)


# ── lists that say so themselves ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("cell", ["yes", "TRUE", "1", "x", "Opted out", "do-not-call", "2026-01-31"])
async def test_a_row_that_says_do_not_call_is_taken_but_never_callable(
    db: Database, tmp_path: Path, cell: str
) -> None:
    clock = moved_clock()
    text = f"phone,phone 2,Do Not Call\n{phone(0)},{HOME},{cell}\n{phone(1)},,\n"
    await read(db, clock, tmp_path, text, kind="contacts")
    made = await builders.row(db, "imports")
    assert (made["rows_taken"], made["rows_on_dnc"], made["rows_rejected"]) == (2, 1, 0)
    kept = await builders.rows(db, "dnc_entries", "phone")
    assert [row["phone"] for row in kept] == [phone(0), HOME]
    assert kept[0]["reason"] == "marked do-not-call in the list file.csv"


async def test_a_word_that_is_neither_yes_nor_no_costs_its_row(db: Database, tmp_path: Path) -> None:
    await read(db, moved_clock(), tmp_path, f"phone,dnc\n{phone(0)},perhaps\n", kind="contacts")
    rejected = await builders.row(db, "rejected_rows")
    assert (rejected["column_name"], rejected["code"]) == ("dnc", "do_not_call")
    assert "neither yes nor no" in rejected["reason"]


async def test_a_single_contact_that_says_so_is_not_callable_either(db: Database, clock: ManualClock) -> None:
    row = contact_from({"phone": phone(0), "do_not_call": "yes"}, region="US", now=clock.now())
    async with db.transaction() as tx:
        await as_marked(tx, row, source="cli", actor="cli:ana", now=clock.now())
        (hit,) = await dnc.check(tx, phone(0))
    assert hit.source == "cli"


# ── consent that was revoked ───────────────────────────────────────────────────────────────────────────


async def test_consent_from_before_an_opt_out_stays_dead_when_the_number_comes_off_the_list(
    db: Database, tmp_path: Path
) -> None:
    clock = moved_clock()
    async with twilio(clock) as (_, gateway):
        await running_campaign(db, clock, 1, pacing={"lines": 100})
        await in_a_call(db, clock, tmp_path)
        async with db.transaction() as tx:
            await dnc.remove(
                tx,
                list_name=None,
                phone=phone(0),
                reason="they wrote to us",
                new_consent="letter of 1 December",
                actor="cli:ana",
                now=clock.now(),
            )
            await dnc.unblock(tx, phone(0), clock.now())
        one = dialer(db, clock, gateway, cps=100)
        assert not (await one.claim()).dials
        (decided,) = await rows(db, "SELECT reasons FROM decisions ORDER BY id DESC LIMIT 1")
        assert "revoked on 2026-11-24" in str(decided["reasons"])
        await rows(
            db,
            "UPDATE contacts SET consent_at = CAST(:at AS timestamptz)",
            at=clock.now(),
        )
        await rows(
            db,
            "UPDATE campaign_contacts SET state = 'waiting', next_at = :at, decision = NULL",
            at=clock.now(),
        )
        assert [dial.phone for dial in (await one.claim()).dials] == [phone(0)]


# ── the sweep after the call ───────────────────────────────────────────────────────────────────────────


async def over(db: Database, clock: ManualClock, *said: tuple[str, str], **columns: object) -> int:
    """A call that is over, with what was said in it."""
    attempt = await builders.dialled(
        db,
        clock.now(),
        others=(HOME,),
        **{
            "state": "ended",
            "call_status": "completed",
            "call_sid": builders.SID,
            "ended_at": clock.now(),
            "settled_at": clock.now(),
            "talk_disposition": "completed",
            **columns,
        },
    )
    for seq, (speaker, text) in enumerate(said):
        await builders.run(
            db,
            "INSERT INTO conversation_turns (attempt_id, seq, session_ordinal, speaker, text, interrupted, "
            "at) VALUES (:id, :seq, 1, :speaker, :text, :cut, :now)",
            id=attempt,
            seq=seq,
            speaker=speaker.removesuffix(" (cut)"),
            text=text,
            cut=speaker.endswith("(cut)"),
            now=clock.now(),
        )
    return attempt


async def closed(db: Database, clock: ManualClock, attempt: int) -> str:
    async with db.transaction() as tx:
        done = await outcomes.close(tx, attempt, clock.now())
    assert done is not None
    return done.value


async def test_a_request_over_two_utterances_is_found_when_the_call_is_over(
    db: Database, clock: ManualClock
) -> None:
    attempt = await over(
        db,
        clock,
        ("agent", "Would Tuesday suit you?"),
        ("person", "Please don't ever"),
        ("agent (cut)", "Of course"),
        ("person", "contact me again."),
    )
    assert await closed(db, clock, attempt) == "do_not_call"
    kept = await builders.rows(db, "dnc_entries", "phone")
    assert [row["phone"] for row in kept] == [builders.PHONE, HOME]
    assert (kept[0]["quote"], kept[0]["source"]) == ("Please don't ever contact me again", "conversation")
    assert (await builders.row(db, "outcomes"))["disposition"] == "do_not_call"
    assert (await builders.row(db, "campaign_contacts"))["state"] == "done"
    assert await closed(db, clock, attempt) == "do_not_call", "and again, nothing changes"
    assert len(await builders.rows(db, "dnc_entries")) == 2
    assert len(await builders.rows(db, "audit_log")) == 2


async def test_two_utterances_with_a_whole_sentence_of_ours_between_are_not_one_request(
    db: Database, clock: ManualClock
) -> None:
    attempt = await over(
        db,
        clock,
        ("person", "please don't"),
        ("agent", "Sorry, what do you mean?"),
        ("person", "call me on Friday"),
    )
    assert await closed(db, clock, attempt) == "completed"
    assert not await builders.rows(db, "dnc_entries")


async def test_what_the_live_conversation_missed_is_found_in_the_transcript(
    db: Database, clock: ManualClock
) -> None:
    attempt = await over(db, clock, ("person", "stop calling me"))
    assert await closed(db, clock, attempt) == "do_not_call"


async def test_a_conversation_that_took_the_request_itself_is_not_looked_through_again(
    db: Database, clock: ManualClock
) -> None:
    attempt = await over(db, clock, ("person", "stop calling me"), talk_disposition="do_not_call")
    assert await closed(db, clock, attempt) == "do_not_call"
    assert not await builders.rows(db, "dnc_entries"), "its own entry is written where it was taken"
