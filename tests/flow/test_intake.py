"""Files into lists: every row accounted for, once, whatever happens on the way."""

import asyncio
import contextlib
import csv
import io
import os
import signal
import sys
from datetime import datetime
from pathlib import Path

import psycopg
import pytest

from campaign.domain.contact_sheet import contact_from
from campaign.domain.errors import BadFile, BadInput, Conflict, TooLarge
from campaign.flow import file_batches, intake
from campaign.flow.intake import Options
from campaign.store import contacts, dnc, imports
from campaign.store.database import Database
from campaign.store.imports import Import
from tests.support import rows
from tests.support.clock import ManualClock

US = Options(region="US")
MIXED = """Phone,First Name,ZIP,note
212-555-0142,Ana,10001,"two
lines"
1.21255E+10,Bob,,x
(305) 555-0101,Zoë,33101,=1+1
212 555 0142,Ana again,10001,y
305-555,Eve,,z
415-555-0101,Joe
"""


def written(tmp_path: Path, text: str | bytes, name: str = "people.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


async def begun(
    db: Database,
    clock: ManualClock,
    path: Path,
    options: Options = US,
    *,
    name: str = "people",
    anew: bool = False,
) -> intake.Begun:
    return await intake.begin(
        db, clock, path, name, options, max_bytes=10_000_000, actor="cli:ana", anew=anew
    )


async def imported(
    db: Database,
    clock: ManualClock,
    path: Path,
    options: Options = US,
    *,
    name: str = "people",
    batch_bytes: int = 1 << 20,
) -> Import:
    made = await begun(db, clock, path, options, name=name)
    return await intake.run(db, clock, made.id, batch_bytes=batch_bytes)


def counts(row: Import) -> dict[str, int]:
    return {
        "read": row.rows_read,
        "taken": row.rows_taken,
        "repeated": row.rows_repeated,
        "known": row.rows_known,
        "rejected": row.rows_rejected,
    }


@pytest.mark.parametrize("batch_bytes", [7, 60, 1 << 20])
async def test_every_row_is_accounted_for_at_any_size_of_batch(
    db: Database, clock: ManualClock, tmp_path: Path, batch_bytes: int
) -> None:
    row = await imported(db, clock, written(tmp_path, MIXED), batch_bytes=batch_bytes)
    assert row.state == "finished"
    assert counts(row) == {"read": 6, "taken": 2, "repeated": 1, "known": 0, "rejected": 3}
    assert row.rejected_why == {"excel_exponent": 1, "too_short": 1, "too_few_cells": 1}
    assert row.byte_offset == row.file_bytes
    ana, zoe = await rows.rows(db, "contacts", "id")
    assert (ana["phone"], ana["line"], ana["postal_code"]) == ("+12125550142", 2, "10001")
    assert ana["variables"] == {"first_name": "Ana", "note": "two\nlines"}
    assert ana["place"] == "US|US-NY|America/New_York"
    assert zoe["variables"] == {"first_name": "Zoë", "note": "=1+1"}
    assert (await rows.row(db, "contact_lists"))["columns"] == ["first_name", "note"]


async def test_the_same_file_again_changes_nothing_and_says_so(
    db: Database, clock: ManualClock, tmp_path: Path
) -> None:
    path = written(tmp_path, MIXED)
    first = await imported(db, clock, path)
    before = await rows.rows(db, "contacts", "id")
    again = await begun(db, clock, path)
    assert (again.id, again.again) == (first.id, True)
    anew = await begun(db, clock, path, anew=True)
    row = await intake.run(db, clock, anew.id)
    assert counts(row) == {"read": 6, "taken": 0, "repeated": 1, "known": 2, "rejected": 3}
    assert await rows.rows(db, "contacts", "id") == before


async def test_rejected_rows_come_back_as_a_csv_that_is_mended_and_imported(
    db: Database, clock: ManualClock, tmp_path: Path
) -> None:
    row = await imported(db, clock, written(tmp_path, MIXED))
    text = "".join([line async for line in intake.rejected_csv(db, row.id)])
    table = list(csv.reader(io.StringIO(text)))
    assert table[0] == ["Phone", "First Name", "ZIP", "note", "line", "reason"]
    assert [line[-2] for line in table[1:]] == ["4", "7", "8"]
    assert table[1][:4] == ["1.21255E+10", "Bob", "", "x"]
    assert "scientific" in table[1][-1] or "spreadsheet" in table[1][-1]
    unmended = await imported(db, clock, written(tmp_path, text, "again.csv"))
    assert counts(unmended) == {"read": 3, "taken": 0, "repeated": 0, "known": 0, "rejected": 3}
    mended = text.replace("1.21255E+10", "+1 646 555 0142")
    row = await imported(db, clock, written(tmp_path, mended, "mended.csv"))
    assert counts(row) == {"read": 3, "taken": 1, "repeated": 0, "known": 0, "rejected": 2}
    assert (await rows.rows(db, "contacts", "id"))[-1]["variables"] == {"first_name": "Bob", "note": "x"}


async def test_formulas_in_rejected_rows_are_disarmed(
    db: Database, clock: ManualClock, tmp_path: Path
) -> None:
    row = await imported(db, clock, written(tmp_path, 'phone,note\n12,"=HYPERLINK(""x"")"\n+1,@sum\n'))
    text = "".join([line async for line in intake.rejected_csv(db, row.id)])
    cells = [cell for line in csv.reader(io.StringIO(text)) for cell in line]
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in cells)


class Killed(BaseException):
    """The end of a process, as far as an import can tell."""


def killer(after: int) -> intake.Watcher:
    left = [after]

    def watch(row: Import) -> None:
        left[0] -= 1
        if left[0] <= 0:
            raise Killed

    return watch


SHEET = "phone,name\n" + "".join(f"212-555-{n:04},Person {n}\n" for n in range(200)) + "bad,Eve\n"


@pytest.mark.parametrize("after", [1, 2, 5])
async def test_an_interrupted_import_goes_on_where_it_stood(
    db: Database, clock: ManualClock, tmp_path: Path, after: int
) -> None:
    path = written(tmp_path, SHEET)
    made = await begun(db, clock, path)
    with pytest.raises(Killed):
        await intake.run(db, clock, made.id, watch=killer(after), batch_bytes=300)
    async with db.transaction() as tx:
        assert (await imports.get(tx, made.id)).state == "interrupted"
        assert [one.contacts for one in await contacts.lists(tx)] == [0]
    resumed = await begun(db, clock, path)
    assert (resumed.id, resumed.resumed) == (made.id, True)
    row = await intake.run(db, clock, made.id, batch_bytes=300)
    assert counts(row) == {"read": 201, "taken": 200, "repeated": 0, "known": 0, "rejected": 1}
    assert [one["line"] for one in await rows.rows(db, "contacts", "id")] == list(range(2, 202))


async def test_an_import_whose_process_is_gone_is_taken_up_after_half_a_minute(
    db: Database, clock: ManualClock, tmp_path: Path
) -> None:
    path = written(tmp_path, SHEET)
    made = await begun(db, clock, path)
    with pytest.raises(Conflict, match="under way"):
        await begun(db, clock, path)
    await clock.advance(31)
    resumed = await begun(db, clock, path)
    assert (resumed.id, resumed.resumed) == (made.id, True)


KILLED_READER = """
import asyncio, os, signal, sys
from campaign.flow import intake
from campaign.store.database import Database
from tests.support.clock import ManualClock

def watch(row):
    if row.rows_read > 60:
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(intake.run(Database(sys.argv[1]), ManualClock(), int(sys.argv[2]), watch=watch, batch_bytes=300))
"""


async def test_an_import_killed_while_it_reads_ahead_loses_and_doubles_nothing(
    db: Database, db_url: str, clock: ManualClock, tmp_path: Path
) -> None:
    path = written(tmp_path, SHEET + "212-555-0003,Twice\n")
    made = await begun(db, clock, path)
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", KILLED_READER, db_url, str(made.id), cwd=Path(__file__).parents[2]
    )
    assert await child.wait() == -signal.SIGKILL
    async with db.transaction() as tx:
        stood = await imports.get(tx, made.id)
    loaded = await rows.rows(db, "contacts", "id")
    assert (stood.state, stood.rows_read) == ("running", len(loaded))
    assert 60 < len(loaded) < 200
    await clock.advance(31)
    resumed = await begun(db, clock, path)
    assert (resumed.id, resumed.resumed) == (made.id, True)
    row = await intake.run(db, clock, made.id, batch_bytes=300)
    assert counts(row) == {"read": 202, "taken": 200, "repeated": 1, "known": 0, "rejected": 1}
    assert [one["line"] for one in await rows.rows(db, "contacts", "id")] == list(range(2, 202))


async def test_a_file_of_many_batches_keeps_order_and_every_repetition_is_found(
    db: Database, clock: ManualClock, tmp_path: Path
) -> None:
    people = [f"{212 + n % 3}-{n // 3 // 10000 + 200}-{n // 3 % 10000:04}" for n in range(12_000)]
    lines = [f"{number},Person {n},{10_001 + n % 40},FL\n" for n, number in enumerate(people)]
    again = lines[:3] + lines[6_000:6_003] + lines[-3:]
    text = "phone,name,zip,state\n" + "".join(lines[:9_000] + again[:6] + lines[9_000:] + again)
    row = await imported(db, clock, written(tmp_path, text))
    assert row.file_bytes > 2 * file_batches.FIRST_BYTES
    assert row.rows_read == 12_015
    taken = await rows.rows(db, "contacts", "id")
    assert row.rows_taken == len(taken) == 12_000 - row.rows_rejected
    assert row.rows_read == row.rows_taken + row.rows_repeated + row.rows_rejected
    assert [one["line"] for one in taken] == sorted(one["line"] for one in taken)
    for one in taken[:: len(taken) // 50]:
        n = int(one["variables"]["name"].removeprefix("Person "))
        assert one["phone"] == "+1" + people[n].replace("-", "")
        assert one["postal_code"] == str(10_001 + n % 40)
        assert one["place"].startswith("US|US-FL")


@pytest.mark.parametrize("after", [1, 100])
async def test_threads_take_turns_as_usual_once_a_file_is_read_or_left(
    db: Database, clock: ManualClock, tmp_path: Path, after: int
) -> None:
    usual = sys.getswitchinterval()
    made = await begun(db, clock, written(tmp_path, SHEET))
    with contextlib.suppress(Killed):
        await intake.run(db, clock, made.id, watch=killer(after), batch_bytes=300)
    assert sys.getswitchinterval() == usual


async def test_contacts_of_an_unfinished_import_hide_no_numbers_from_another_file(
    db: Database, clock: ManualClock, tmp_path: Path
) -> None:
    made = await begun(db, clock, written(tmp_path, SHEET))
    with pytest.raises(Killed):
        await intake.run(db, clock, made.id, watch=killer(1), batch_bytes=300)
    other = written(tmp_path, "phone\n212-555-0000\n", "other.csv")
    with pytest.raises(Conflict, match="interrupted"):
        await begun(db, clock, other)
    async with db.transaction() as tx:
        assert await imports.discard(tx, made.id) > 0
    assert (await imported(db, clock, other)).rows_taken == 1


async def test_two_processes_never_read_one_import_both(
    db: Database, clock: ManualClock, tmp_path: Path
) -> None:
    path = written(tmp_path, SHEET)
    made = await begun(db, clock, path)
    await clock.advance(31)
    async with db.transaction() as tx:
        stood = await imports.resume(tx, made.id, clock.now())
    await intake.run(db, clock, made.id, batch_bytes=300)
    late = imports.Progress(1, 1, 1, 1, 0, 0, [])
    async with db.transaction() as tx:
        with pytest.raises(Conflict, match="taken over"):
            await imports.advance(tx, stood, 0, late, clock.now())
    assert len(await rows.rows(db, "contacts", "id")) == 200


async def test_a_file_that_changes_under_its_import_fails_it_and_leaves_nothing(
    db: Database, clock: ManualClock, tmp_path: Path
) -> None:
    path = written(tmp_path, SHEET)
    made = await begun(db, clock, path)
    with pytest.raises(Killed):
        await intake.run(db, clock, made.id, watch=killer(2), batch_bytes=300)
    await begun(db, clock, path)
    path.write_text(SHEET.replace("Person", "Nobody"))
    with pytest.raises(BadFile, match="has changed"):
        await intake.run(db, clock, made.id)
    assert (await rows.row(db, "imports"))["state"] == "failed"
    assert await rows.rows(db, "contacts", "id") == []


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"PK\x03\x04" + b"\0" * 50, "xlsx"),
        (b"name,city\nAna,Rome\n", '"name", "city"'),
        (b"phone,phone\n1,2\n", "same name"),
        (b'"phone\n', "header cannot be read"),
    ],
)
async def test_a_file_that_cannot_be_read_leaves_nothing_half_done(
    db: Database, clock: ManualClock, tmp_path: Path, content: bytes, says: str
) -> None:
    with pytest.raises(BadFile, match=f"(?s){says}"):
        await begun(db, clock, written(tmp_path, content))
    assert await rows.rows(db, "imports", "id") == []
    assert await rows.rows(db, "contact_lists", "id") == []


async def test_a_file_that_is_not_there_or_too_large_is_named(
    db: Database, clock: ManualClock, tmp_path: Path
) -> None:
    with pytest.raises(BadFile, match="cannot be read"):
        await begun(db, clock, tmp_path / "nowhere.csv")
    with pytest.raises(TooLarge, match="at most"):
        await begun(db, clock, written(tmp_path, b"phone\n" + b"x" * 10_000_001))


async def test_a_header_alone_is_an_import_of_nothing(
    db: Database, clock: ManualClock, tmp_path: Path
) -> None:
    row = await imported(db, clock, written(tmp_path, "phone,name\n"))
    assert (row.state, row.rows_read) == ("finished", 0)


async def test_a_number_that_somebody_adds_meanwhile_is_met_on_the_list(
    db: Database, db_url: str, clock: ManualClock, tmp_path: Path
) -> None:
    made = await begun(db, clock, written(tmp_path, SHEET))

    def add_the_last(row: Import) -> None:
        if row.rows_read < 20:
            with psycopg.connect(db_url.replace("+psycopg", "")) as connection:
                connection.execute(
                    "INSERT INTO contacts (list_id, phone, place, created_at) VALUES (%s, %s, '||', %s) "
                    "ON CONFLICT DO NOTHING",
                    (row.list_id, "+12125550199", clock.now()),
                )

    row = await intake.run(db, clock, made.id, watch=add_the_last, batch_bytes=300)
    assert counts(row) == {"read": 201, "taken": 199, "repeated": 0, "known": 1, "rejected": 1}


async def test_numbers_that_may_have_been_in_the_file_before_are_looked_up_on_the_list(
    db: Database, clock: ManualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_batches, "SEEN_BITS", 97)
    lines = SHEET.splitlines(keepends=True)
    text = "".join(lines + lines[1:21])
    row = await imported(db, clock, written(tmp_path, text), batch_bytes=300)
    assert counts(row) == {"read": 221, "taken": 200, "repeated": 20, "known": 0, "rejected": 1}


async def test_a_file_whose_name_is_no_text_is_refused(
    db: Database, clock: ManualClock, tmp_path: Path
) -> None:
    path = written(tmp_path, "phone\n2125550142\n", os.fsdecode(b"\xff.csv"))
    with pytest.raises(BadFile, match="not UTF-8"):
        await begun(db, clock, path)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
async def test_other_encodings_are_resumed_at_the_right_byte(
    db: Database, clock: ManualClock, tmp_path: Path, encoding: str
) -> None:
    text = "phone;name\r\n" + "".join(f"212-555-{n:04};Zoë “{n}”\r\n" for n in range(60))
    made = await begun(db, clock, path := written(tmp_path, text.encode(encoding)))
    with pytest.raises(Killed):
        await intake.run(db, clock, made.id, watch=killer(3), batch_bytes=101)
    await begun(db, clock, path)
    row = await intake.run(db, clock, made.id, batch_bytes=101)
    assert counts(row) == {"read": 60, "taken": 60, "repeated": 0, "known": 0, "rejected": 0}
    names = [one["variables"]["name"] for one in await rows.rows(db, "contacts", "id")]
    assert names == [f"Zoë “{n}”" for n in range(60)]


async def test_attested_consent_counts_where_the_row_says_nothing(
    db: Database, clock: ManualClock, tmp_path: Path
) -> None:
    options = Options(
        region="US", consent="express_written", consent_source="web form", consent_at=clock.now()
    )
    text = "phone,consent,consent_source\n212-555-0142,,\n212-555-0143,no,\n212-555-0144,oral,a talk\n"
    await imported(db, clock, written(tmp_path, text), options)
    found = [(one["consent"], one["consent_source"]) for one in await rows.rows(db, "contacts", "id")]
    assert found == [
        ("express_written", "web form (attested by cli:ana)"),
        ("none", None),
        ("express_oral", "a talk"),
    ]
    with pytest.raises(BadInput, match="source and its date"):
        await begun(db, clock, written(tmp_path, text), Options(consent="ebr"))


async def test_cells_with_tabs_breaks_and_backslashes_arrive_unchanged(
    db: Database, clock: ManualClock, tmp_path: Path
) -> None:
    odd = 'a\tb\\N "q"\nc\\t'
    out = io.StringIO()
    csv.writer(out).writerows([["phone", "id", "state", "note"], ["212-555-0142", odd, "F\\L", odd]])
    await imported(db, clock, written(tmp_path, out.getvalue()))
    row = await rows.row(db, "contacts")
    assert (row["external_id"], row["state"], row["variables"]) == (odd, "F\\L", {"note": odd})


async def test_numbers_on_a_do_not_call_list_are_counted(
    db: Database, clock: ManualClock, tmp_path: Path
) -> None:
    async with db.transaction() as tx:
        list_id = await dnc.ensure_list(tx, None, "own", clock.now())
        await dnc.bulk_add(tx, list_id, [("+12125550142", "")], source="cli", actor="x", now=clock.now())
    assert (await imported(db, clock, written(tmp_path, MIXED))).rows_on_dnc == 1


async def test_a_do_not_call_file_is_in_force_at_once_and_stops_what_waits(
    db: Database, clock: ManualClock, tmp_path: Path
) -> None:
    async with db.transaction() as tx:
        campaign_id = await rows.campaign(tx, clock.now())
        contact_id = await rows.contact(tx, clock.now())
        await rows.enrolled(tx, clock.now(), campaign_id, contact_id, state="waiting")
    path = written(tmp_path, "212,5550142\n305,5550101\n305,5550101\n12,x\n", "dnc.txt")
    made = await intake.begin(db, clock, path, None, US, kind="dnc", max_bytes=1_000_000, actor="cli:ana")
    row = await intake.run(db, clock, made.id)
    assert counts(row) == {"read": 4, "taken": 2, "repeated": 1, "known": 0, "rejected": 1}
    assert (await rows.row(db, "campaign_contacts"))["state"] == "blocked"
    again = await intake.begin(db, clock, path, None, US, kind="dnc", max_bytes=1_000_000, actor="cli:ana")
    assert (await intake.run(db, clock, again.id)).rows_known == 2


async def test_a_single_contact_passes_the_same_checks(db: Database, clock: ManualClock) -> None:
    row = contact_from({"phone": "850-555-0142", "Vorname": "Ana"}, region="US", now=clock.now())
    async with db.transaction() as tx:
        made = (await contacts.ensure_list(tx, "people", "US", "key:crm", clock.now())).id
        contact_id = await contacts.add(tx, made, row, actor="key:crm", now=clock.now())
        kept = await contacts.get(tx, contact_id)
        with pytest.raises(Conflict):
            await contacts.add(tx, made, row, actor="key:crm", now=clock.now())
    assert kept.variables == {"first_name": "Ana"}
    assert kept.place == "US|US-FL|America/Chicago,America/New_York"
    with pytest.raises(BadInput, match="phone: the number has too few digits"):
        contact_from({"phone": "12"}, region="US", now=clock.now())


# ── how far, how fast, and what comes back ─────────────────────────────────────────────────────────────


class Ticking(ManualClock):
    """Whoever asks for the time finds it half a second later."""

    def now(self) -> datetime:
        self._elapsed += 0.5
        return super().now()


async def test_an_import_tells_its_rate_and_the_time_left_also_when_it_is_taken_up_again(
    db: Database, clock: ManualClock, tmp_path: Path
) -> None:
    ticking = Ticking(clock.now())
    path = written(tmp_path, SHEET)
    made = await begun(db, ticking, path)
    async with db.transaction() as tx:
        assert (await imports.get(tx, made.id)).seconds_left is None  # nothing is known yet
    with pytest.raises(Killed):
        await intake.run(db, ticking, made.id, watch=killer(2), batch_bytes=300)
    await ticking.advance(3_600)  # in which nobody reads it
    await begun(db, ticking, path)
    told: list[Import] = []
    done = await intake.run(db, ticking, made.id, watch=told.append, batch_bytes=300)
    speeds = [one.rows_per_second for one in told]
    assert all(speed is not None and speed > 1 for speed in speeds)
    left = [one.seconds_left for one in told]
    assert None not in left
    assert left[-1] == 0
    assert left[0] is not None
    assert left[0] > 5
    for one in told[1:]:  # told truly: what is left takes as long as it did so far
        assert one.seconds_left is not None
        took = (one.beat_at - told[0].beat_at).total_seconds()
        assert one.seconds_left + took == pytest.approx(left[0], rel=0.5)
    assert (done.state, done.seconds_left) == ("finished", None)


async def test_rejected_rows_come_page_by_page_and_hold_no_connection_meanwhile(
    db_url: str, db: Database, clock: ManualClock, tmp_path: Path
) -> None:
    bad = "phone,name\n" + "".join(f"12,Person {n}\n" for n in range(2_500))
    row = await imported(db, clock, written(tmp_path, bad))
    narrow = Database(db_url, pool_size=1)
    lines = intake.rejected_csv(narrow, row.id)
    try:
        assert await anext(lines) == "phone,name,line,reason\r\n"
        found = [await anext(lines)]
        async with asyncio.timeout(120), narrow.connection() as tx:  # the only one there is
            assert (await imports.get(tx, row.id)).rows_rejected == 2_500
        found += [line async for line in lines]
    finally:
        await narrow.close()
    assert [line.split(",")[2] for line in found] == [str(n) for n in range(2, 2_502)]


async def test_a_file_as_large_as_is_allowed_is_read_and_one_byte_more_is_refused_in_words(
    db: Database, clock: ManualClock, tmp_path: Path
) -> None:
    path = written(tmp_path, SHEET)
    size = path.stat().st_size
    with pytest.raises(TooLarge) as refused:
        await intake.begin(db, clock, path, "people", US, max_bytes=size - 1, actor="cli:ana")
    assert "people.csv has 0.0 MB; at most 0 MB are read." in refused.value.what
    assert "CAMPAIGN_MAX_UPLOAD_MB" in refused.value.do
    made = await intake.begin(db, clock, path, "people", US, max_bytes=size, actor="cli:ana")
    assert (await intake.run(db, clock, made.id)).rows_taken == 200
