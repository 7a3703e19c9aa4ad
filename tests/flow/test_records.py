"""Record keeping: what is too old goes, one person is erased or shown, and suppressions always stay."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from campaign.domain.decision import Decision, Ground, RuleVerdict, Verdict
from campaign.domain.errors import BadInput, Conflict, NotFound
from campaign.domain.facts import CampaignPolicy
from campaign.domain.phone import Rejected, parse
from campaign.domain.place import Place
from campaign.domain.retention import policy
from campaign.domain.rules import next_legal
from campaign.flow import optout_journal, records
from campaign.flow.optout_journal import Entry
from campaign.flow.records import Retention
from campaign.flow.suppress import Asked, opt_out
from campaign.store import dnc
from campaign.store.database import Database
from campaign.store.reports import report
from tests.support import rows
from tests.support.campaigns import rulebook
from tests.support.clock import ManualClock

HOME = "+13055550101"
OTHER = "+14155550199"
LATER = timedelta(minutes=2)


async def life(db: Database, now: datetime, phone: str = rows.PHONE) -> int:
    """A person with all that is ever stored about one; returns the id of their settled attempt."""
    made = await rows.dialled(
        db,
        now,
        phone=phone,
        others=(HOME,),
        state="ended",
        call_status="completed",
        call_sid=f"CA{phone}",
        recording_sid=f"RE{phone}",
        error=f"The number {phone} said no",
        ended_at=now,
        settled_at=now,
    )
    why = RuleVerdict("dnc.own", "internal_dnc", Verdict.BLOCK, f"{phone} is listed.", Ground.NUMBER)
    decided = Decision(Verdict.BLOCK, now, None, (why,), ())
    for statement, given in (
        (
            "INSERT INTO conversation_turns (attempt_id, seq, session_ordinal, speaker, text, at) "
            "VALUES (:id, 1, 1, 'person', :said, :now)",
            {"said": f"You called {phone}"},
        ),
        ("INSERT INTO answers (attempt_id, question, value, at) VALUES (:id, 'mail', '\"a@b.c\"', :now)", {}),
        (
            "INSERT INTO call_events (dedupe, kind, marker, attempt_id, payload, received_at, handled_at) "
            "VALUES (:dedupe, 'status', 'x', :id, CAST(:payload AS jsonb), :now, :now)",
            {"dedupe": f"one {phone}", "payload": json.dumps({"To": phone})},
        ),
        (
            "INSERT INTO outcomes (attempt_id, campaign_id, campaign_contact_id, disposition, category, "
            "seconds, data, summary, final, recorded_at) SELECT a.id, a.campaign_id, a.campaign_contact_id, "
            "'completed', 'neutral', 30, CAST(:data AS jsonb), :summary, true, :now "
            "FROM attempts a WHERE a.id = :id",
            {"data": '{"mail": "a@b.c"}', "summary": f"Ada of {phone}"},
        ),
        (
            "INSERT INTO decisions (campaign_id, campaign_contact_id, phone, verdict, fingerprint, reasons, "
            "packs, facts, decided_at) SELECT a.campaign_id, a.campaign_contact_id, a.phone, 'block', 'f', "
            "CAST(:reasons AS jsonb), '[]', CAST(:facts AS jsonb), :now FROM attempts a WHERE a.id = :id",
            {
                "reasons": json.dumps(decided.to_json()),
                "facts": json.dumps({"number": {"e164": phone}}),
            },
        ),
        (
            "INSERT INTO number_lookups (phone, what, answer, asked_at, source, actor) "
            "SELECT a.phone, 'line_type', 'mobile', :now, 'twilio', 'test' FROM attempts a WHERE a.id = :id",
            {},
        ),
        (
            "UPDATE campaign_contacts SET state = 'waiting', next_at = :now WHERE id = "
            "(SELECT campaign_contact_id FROM attempts WHERE id = :id)",
            {},
        ),
    ):
        used = {"id": made, "now": now, **given}
        await rows.run(db, statement, **{key: value for key, value in used.items() if f":{key}" in statement})
    return made


async def about_nobody(db: Database, now: datetime, phone: str) -> None:
    """Where a number stands without a contact: rejected rows, webhooks of no attempt, the audit trail."""
    list_id = (await rows.row(db, "contact_lists"))["id"]
    await rows.run(
        db,
        "INSERT INTO imports (id, kind, list_id, file_name, file_bytes, state, actor, started_at, beat_at, "
        "finished_at) OVERRIDING SYSTEM VALUE "
        "VALUES (1, 'contacts', :list, 'x.csv', 1, 'finished', 'test', :now, :now, :now)",
        list=list_id,
        now=now,
    )
    await rows.run(db, "UPDATE contacts SET import_id = 1 WHERE phone = :phone", phone=phone)
    await rows.run(
        db,
        "INSERT INTO rejected_rows (import_id, line, column_name, code, reason, cells) "
        "VALUES (1, 7, 'country', 'country', :why, ARRAY['Ada Byron', :cell, 'Narnia'])",
        why=f"{phone}: no country",
        cell=f"({phone[2:5]}) {phone[5:8]}-{phone[8:]}",
    )
    await rows.run(
        db,
        "INSERT INTO call_events (dedupe, kind, marker, payload, received_at, handled_at) "
        "VALUES ('lost', 'status', 'gone', CAST(:payload AS jsonb), :now, :now)",
        payload=json.dumps({"To": phone}),
        now=now,
    )
    await rows.run(
        db,
        "INSERT INTO audit_log (at, actor, action, subject, detail) "
        "VALUES (:now, 'cli:ana', 'call_me', 'attempt:1', CAST(:detail AS jsonb))",
        now=now,
        detail=json.dumps({"to": phone}),
    )
    await rows.run(
        db,
        "INSERT INTO dnc_lists (id, name, kind, created_at) OVERRIDING SYSTEM VALUE "
        "VALUES (77, 'litigators', 'registry', :now)",
        now=now,
    )
    await rows.run(
        db,
        "INSERT INTO registry_versions (id, list_id, number, state, source, files, as_of, actor, began_at, "
        "beat_at) OVERRIDING SYSTEM VALUE "
        "VALUES (77, 77, 1, 'failed', 'full', '[]', :now, 'cli:ana', :now, :now)",
        now=now,
    )
    await rows.run(
        db,
        "INSERT INTO registry_rejects (version_id, file, line, reason, raw) "
        "VALUES (77, 'list.txt', 3, 'two numbers', :raw)",
        raw=f"{phone[2:]} or {phone[2:]}",
    )


async def holding(db: Database, digits: str) -> dict[str, int]:
    """Every table's column of text, array or JSON in which the digits stand → in how many rows."""
    found: dict[str, int] = {}
    async with db.connection() as tx:
        columns = await tx.execute(
            text(
                "SELECT table_name, column_name FROM information_schema.columns "
                "JOIN information_schema.tables USING (table_schema, table_name) "
                "WHERE table_schema = 'public' AND table_type = 'BASE TABLE' "
                "AND data_type IN ('text', 'jsonb', 'json', 'ARRAY', 'character varying')"
            )
        )
        for table, column in list(columns):
            count = (
                await tx.execute(
                    text(
                        f'SELECT count(*) FROM "{table}" WHERE '
                        f"regexp_replace(CAST(\"{column}\" AS text), '[^0-9]', '', 'g') LIKE :digits"
                    ),
                    {"digits": f"%{digits}%"},
                )
            ).scalar_one()
            if count:
                found[f"{table}.{column}"] = count
    return found


async def erased(db: Database, folder: Path, now: datetime, number: str = rows.PHONE) -> records.Erased:
    return await records.erase(
        db, folder, number, reason=f"letter of 3 May about {number}", actor="cli:ana", now=now
    )


async def totals(db: Database, campaign_id: int) -> Any:
    async with db.connection() as tx:
        return await report(tx, campaign_id)


# ── erasing ────────────────────────────────────────────────────────────────────────────────────────────


async def test_after_erasing_no_table_holds_the_number_but_the_do_not_call_list(
    db: Database, clock: ManualClock, tmp_path: Path
) -> None:
    now = clock.now()
    attempt = await life(db, now)
    await about_nobody(db, now, rows.PHONE)
    asked = Asked(rows.PHONE, f"stop calling {rows.PHONE}", "conversation", "system:attempt 1", now, attempt)
    await opt_out(db, asked, now)
    async with db.transaction() as tx:
        national = await dnc.ensure_list(tx, "us-national-dnc", "registry", now, now)
        await dnc.bulk_add(tx, national, [(HOME, "")], source="import", actor="cli:ana", now=now)
    before = await holding(db, rows.PHONE[1:])
    assert {"contacts.phone", "attempts.phone", "conversation_turns.text", "audit_log.subject"} <= set(before)
    done = await erased(db, tmp_path, now + LATER)
    assert (done.suppressed, done.number) == (2, "+1212•••0142")
    assert done.at_twilio == (f"CA{rows.PHONE}",)
    assert [file["file_name"] for file in done.files] == ["x.csv"]
    for number in (rows.PHONE, HOME):
        assert await holding(db, number[1:]) == {"dnc_entries.phone": 1 if number == rows.PHONE else 2}
        assert await holding(db, number[2:]) == {"dnc_entries.phone": 1 if number == rows.PHONE else 2}
    for words in ("Ada", "a@b.c", "letter of 3 May about +1212555"):
        async with db.connection() as tx:
            for table in ("contacts", "outcomes", "answers", "conversation_turns", "audit_log"):
                shown = await tx.execute(
                    text(f"SELECT count(*) FROM {table} t WHERE t::text LIKE :words"), {"words": f"%{words}%"}
                )
                assert shown.scalar_one() == 0, (table, words)
    entry = await rows.row(db, "dnc_entries", "phone = :p", p=rows.PHONE)
    assert (entry["source"], entry["quote"], entry["added_at"]) == ("conversation", None, now)


async def test_totals_stay_right_and_nobody_waits_for_a_call_any_more(
    db: Database, clock: ManualClock, tmp_path: Path
) -> None:
    now = clock.now()
    await life(db, now)
    campaign_id = (await rows.row(db, "campaigns"))["id"]
    before = await totals(db, campaign_id)
    await erased(db, tmp_path, now + LATER)
    after = await totals(db, campaign_id)
    assert (after.attempts, after.outcomes, after.funnel, after.seconds) == (
        before.attempts,
        before.outcomes,
        before.funnel,
        before.seconds,
    )
    kept = await rows.row(db, "campaign_contacts")
    assert (kept["state"], kept["next_at"], kept["waiting_for"]) == ("blocked", None, "contact.erased")
    nowhere = Place.from_key((await rows.row(db, "contacts"))["place"])
    anew = CampaignPolicy("autumn", "sales", frozenset({"US"}))
    assert next_legal(nowhere, anew, rulebook(), now) is None, "whoever enrols the list again calls nobody"
    for table in ("contacts", "attempts", "campaign_contacts"):
        stands_for = (await rows.row(db, table))["phone"]
        assert isinstance(parse(stands_for, None), Rejected), "nobody has such a number"


async def test_erasing_twice_and_erasing_one_of_two_leaves_the_other_whole(
    db: Database, clock: ManualClock, tmp_path: Path
) -> None:
    now = clock.now()
    await life(db, now)
    async with db.transaction() as tx:
        await rows.contact(tx, now, phone=OTHER, first_name="Bob")
    await erased(db, tmp_path, now + LATER)
    again = await erased(db, tmp_path, now + LATER)
    assert (again.rows, again.suppressed) == ({}, 1)
    assert await holding(db, OTHER[1:]) == {"contacts.phone": 1}
    never = await erased(db, tmp_path, now + LATER, OTHER)
    assert never.rows == {"contacts_removed": 1}
    assert await holding(db, OTHER[1:]) == {"dnc_entries.phone": 1}


@pytest.mark.parametrize("number", [rows.PHONE, HOME])
async def test_while_a_call_is_under_way_nobody_is_erased(
    db: Database, clock: ManualClock, tmp_path: Path, number: str
) -> None:
    await rows.dialled(db, clock.now(), others=(HOME,), state="answered")
    with pytest.raises(Conflict, match="under way"):
        await erased(db, tmp_path, clock.now() + LATER, number)
    await rows.run(db, "UPDATE attempts SET state = 'ended', settled_at = :now", now=clock.now())
    with pytest.raises(Conflict, match="only just ended"):
        await erased(db, tmp_path, clock.now(), number)
    assert not await rows.rows(db, "dnc_entries")
    assert (await erased(db, tmp_path, clock.now() + LATER, number)).suppressed == 2


async def test_an_opt_out_that_waits_in_the_journal_is_written_before(
    db: Database, clock: ManualClock, tmp_path: Path
) -> None:
    now = clock.now()
    await optout_journal.append(
        tmp_path, Entry(OTHER, "stop, I'm Bob", "conversation", now, "system:attempt 1")
    )
    await erased(db, tmp_path, now + LATER, OTHER)
    assert not (tmp_path / optout_journal.NAME).exists()
    assert (await rows.row(db, "dnc_entries"))["quote"] is None
    assert await holding(db, OTHER[1:]) == {"dnc_entries.phone": 1}


async def test_what_cannot_be_erased_is_told(db: Database, clock: ManualClock, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="Nothing is stored"):
        await erased(db, tmp_path, clock.now())
    with pytest.raises(BadInput, match="reason"):
        await records.erase(db, tmp_path, OTHER, reason=" ", actor="cli:ana", now=clock.now())


# ── showing ────────────────────────────────────────────────────────────────────────────────────────────


async def test_an_export_holds_all_that_is_stored_and_is_audited(db: Database, clock: ManualClock) -> None:
    now = clock.now()
    attempt = await life(db, now)
    await about_nobody(db, now, rows.PHONE)
    await opt_out(db, Asked(rows.PHONE, "stop", "conversation", "system:attempt 1", now, attempt), now)
    for number in (rows.PHONE, HOME):
        found = await records.export(db, number, actor="key:admin", now=now)
        assert found["numbers"] == [rows.PHONE, HOME]
        assert found["contacts"][0]["variables"] == {"first_name": "Ada"}
        assert found["campaigns"][0]["campaign"] == "autumn"
        (tried,) = found["attempts"]
        assert (tried["disposition"], tried["answers"]) == ("completed", {"mail": "a@b.c"})
        assert tried["transcript"][0]["text"] == f"You called {rows.PHONE}"
        assert "Must not be called." in found["decisions"][0]["in_words"]
        assert [entry["quote"] for entry in found["do_not_call"]] == ["stop", "stop"]
        assert found["imports"][0]["file_name"] == "x.csv"
    trail = await rows.rows(db, "audit_log", "id")
    assert [row["action"] for row in trail][-1] == "records.export"
    with pytest.raises(NotFound):
        await records.export(db, OTHER, actor="key:admin", now=now)


# ── retention ──────────────────────────────────────────────────────────────────────────────────────────


def kept(setting: str | None = None) -> Any:
    return policy(setting, rulebook(), ManualClock().now().date())


async def old_and_young(db: Database, clock: ManualClock, days: int) -> datetime:
    """Two people, one called so many days ago and one just now; returns the present."""
    await life(db, clock.now() - timedelta(days=days))
    now = clock.now()
    await rows.run(db, "UPDATE campaign_contacts SET state = 'done', next_at = NULL")
    async with db.transaction() as tx:
        campaign_id = (await tx.execute(text("SELECT id FROM campaigns"))).scalar_one()
        contact = await rows.contact(tx, now, phone=OTHER)
        place = await rows.enrolled(tx, now, campaign_id, contact, phone=OTHER)
        await rows.attempt(
            tx,
            now,
            marker="young",
            phone=OTHER,
            state="ended",
            settled_at=now,
            campaign_id=campaign_id,
            campaign_contact_id=place,
        )
        young = (await tx.execute(text("SELECT max(id) FROM attempts"))).scalar_one()
    await rows.run(
        db,
        "INSERT INTO conversation_turns (attempt_id, seq, session_ordinal, speaker, text, at) "
        "VALUES (:id, 1, 1, 'person', 'Hello', :now)",
        id=young,
        now=now,
    )
    return now


async def counted(db: Database, *tables: str) -> dict[str, int]:
    return {table: len(await rows.rows(db, table)) for table in tables}


async def test_each_kind_goes_when_its_time_is_over_and_the_young_stay(
    db: Database, clock: ManualClock
) -> None:
    now = await old_and_young(db, clock, 100)
    one = Retention(db, kept("transcripts=30, webhooks=99, answers=101"))
    assert await one.tick(now) == 2
    tables = ("conversation_turns", "call_events", "answers", "attempts", "outcomes", "decisions", "contacts")
    assert await counted(db, *tables) == {
        "conversation_turns": 1,
        "call_events": 0,
        "answers": 1,
        "attempts": 2,
        "outcomes": 1,
        "decisions": 1,
        "contacts": 2,
    }
    trail = await rows.rows(db, "audit_log", "id")
    assert [(row["subject"], row["detail"]["rows"]) for row in trail] == [
        ("records:transcripts", 1),
        ("records:webhooks", 1),
    ]


async def test_call_records_go_after_the_laws_time_and_contacts_only_when_told(
    db: Database, clock: ManualClock
) -> None:
    now = await old_and_young(db, clock, 1900)
    await Retention(db, kept()).run(now)
    assert await counted(db, "attempts", "outcomes", "decisions", "contacts") == {
        "attempts": 1,
        "outcomes": 0,
        "decisions": 0,
        "contacts": 2,
    }
    assert (await Retention(db, kept("contacts=1827")).run(now))["contacts"] == 2
    assert [row["phone"] for row in await rows.rows(db, "contacts")] == [OTHER]


async def test_unsettled_attempts_and_suppressions_are_never_touched(
    db: Database, clock: ManualClock
) -> None:
    long_ago = clock.now() - timedelta(days=9000)
    attempt = await rows.dialled(db, long_ago, state="answered")
    asked = Asked(rows.PHONE, "stop", "conversation", "system:attempt 1", long_ago, attempt)
    await opt_out(db, asked, long_ago)
    await rows.run(
        db,
        "INSERT INTO conversation_turns (attempt_id, seq, session_ordinal, speaker, text, at) "
        "VALUES (:id, 1, 1, 'person', 'stop', :now)",
        id=attempt,
        now=long_ago,
    )
    setting = "transcripts=1, answers=1, webhooks=1, decisions=1, contacts=1827, rejected_rows=1, audit=1827"
    await Retention(db, kept(setting)).run(clock.now())
    assert await counted(db, "attempts", "conversation_turns", "dnc_entries", "contacts") == {
        "attempts": 1,
        "conversation_turns": 1,
        "dnc_entries": 1,
        "contacts": 1,
    }


async def test_a_pass_is_made_of_small_windows_and_rests_for_an_hour(
    db: Database, clock: ManualClock
) -> None:
    now = await old_and_young(db, clock, 100)
    await rows.run(
        db,
        "INSERT INTO call_events (dedupe, kind, marker, payload, received_at, handled_at) "
        "SELECT 'e' || n, 'status', 'x', '{}', :at, :at FROM generate_series(1, 1500) AS n",
        at=now - timedelta(days=95),
    )
    one = Retention(db, kept())
    assert [await one.tick(now) for _ in range(3)] == [1000, 501, 0]
    await rows.run(
        db,
        "INSERT INTO call_events (dedupe, kind, marker, payload, received_at, handled_at) "
        "VALUES ('again', 'status', 'x', '{}', :at, :at)",
        at=now - timedelta(days=95),
    )
    assert await one.tick(now + timedelta(minutes=59)) == 0
    assert await one.tick(now + timedelta(minutes=61)) == 1


async def test_what_is_due_is_counted_beforehand_as_it_then_goes(db: Database, clock: ManualClock) -> None:
    now = await old_and_young(db, clock, 1900)
    await about_nobody(db, now - timedelta(days=100), OTHER)
    terms = kept("contacts=1827")
    due = {one.keep.kind.name: one.due for one in await records.standing(db, terms, now)}
    assert due == {
        "transcripts": 1,
        "answers": 1,
        "recordings": 0,
        "webhooks": 2,
        "call_records": 1,
        "lookups": 1,
        "decisions": 1,
        "contacts": 0,
        "rejected_rows": 1,
        "audit": 0,
    }
    gone = await Retention(db, terms).run(now)
    assert {name: gone[name] for name in ("transcripts", "webhooks", "call_records", "rejected_rows")} == {
        "transcripts": 1,
        "webhooks": 2,
        "call_records": 1,
        "rejected_rows": 1,
    }
    after = {one.keep.kind.name: one.due for one in await records.standing(db, terms, now)}
    assert set(after.values()) == {0}
