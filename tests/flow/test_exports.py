"""Exports: nothing lost or doubled between two runs, nothing that a spreadsheet runs."""

import csv
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from campaign.domain.cells import as_cell
from campaign.domain.disposition import Disposition as D
from campaign.domain.errors import BadInput
from campaign.flow import exports
from campaign.flow.exports import Exported
from campaign.store import exports as store
from campaign.store.database import Database
from tests.support.campaigns import rows
from tests.support.clock import ManualClock
from tests.support.settled import Desk


async def written(
    db: Database, now: datetime, what: str = "attempts", **more: Any
) -> tuple[list[dict[str, str]], Exported]:
    out = io.BytesIO()
    given = {"since": None, "until": None, "campaign": None, "actor": "test", **more}
    done = await exports.export(db, what, exports.streamed(out), now=now, **given)
    return list(csv.DictReader(io.StringIO(out.getvalue().decode(), newline=""))), done


async def test_two_runs_neither_lose_nor_double_a_row_that_was_being_written_meanwhile(
    db: Database, clock: ManualClock
) -> None:
    """The clock runs so fast that a tenth of a real second is two hours of it."""
    rate = 72_000.0
    desk = await Desk(db, clock.now()).open()
    first = await desk.attempt(D.BUSY)
    second = await desk.attempt(D.NO_ANSWER, contact=1)
    await rows(
        db,
        "UPDATE attempts SET settled_at = CASE id WHEN :first THEN settled_at - interval '99 days' "
        "ELSE settled_at + interval '9 years' END",  # the second is not there yet
        first=first,
    )
    settled = clock.now()
    await clock.advance((store.LAG * rate).total_seconds() + 3600)
    async with db.transaction() as tx:
        given = {"at": settled, "id": second}
        await tx.execute(text("UPDATE attempts SET settled_at = :at WHERE id = :id"), given)
        await tx.execute(text("SELECT pg_sleep(0.1)"))
        found, done = await written(db, clock.now(), rate=rate)
    assert [int(row["attempt_id"]) for row in found] == [first]
    assert done.until <= settled, "a row of that instant was still to come"
    await clock.advance(10 * 3600)
    found, after = await written(db, clock.now(), since=done.until, rate=rate)
    assert [int(row["attempt_id"]) for row in found] == [second]
    await clock.advance(10 * 3600)
    found, _ = await written(db, clock.now(), since=after.until, rate=rate)
    assert found == []


async def test_a_transaction_that_is_open_holds_the_watermark_back(db: Database, clock: ManualClock) -> None:
    free = await store.certain_until(db, clock.now(), 1.0)
    async with db.transaction() as tx:
        await tx.exec_driver_sql("UPDATE installation SET works_from = works_from")
        await tx.exec_driver_sql("SELECT pg_sleep(0.05)")
        held = await store.certain_until(db, clock.now(), 1.0)
    assert held <= free - timedelta(milliseconds=50)
    fast = await store.certain_until(db, clock.now(), 20.0)
    assert fast <= clock.now() - store.LAG * 20


async def test_every_export_has_its_columns_and_its_rows(db: Database, clock: ManualClock) -> None:
    desk = await Desk(db, clock.now()).open()
    attempt = await desk.attempt(D.INTERESTED, seconds=30, cost="0.25", data={"visit": "=1+1"})
    await desk.attempt(D.BUSY, campaign=1, contact=1)
    await rows(
        db,
        "INSERT INTO conversation_turns (attempt_id, seq, session_ordinal, speaker, text, at) "
        "VALUES (:id, 1, 1, 'person', '@home, \"yes\"', :now), (:id, 2, 1, 'agent', 'Fine.', :now)",
        id=attempt,
        now=clock.now(),
    )
    await rows(
        db,
        "INSERT INTO answers (attempt_id, question, value, at) VALUES (:id, 'visit', '\"=1+1\"', :now)",
        id=attempt,
        now=clock.now(),
    )
    await clock.advance(600)
    attempts, _ = await written(db, clock.now())
    assert [row["disposition"] for row in attempts] == ["interested", "busy"]
    assert attempts[0]["phone"].startswith("+1213")
    assert attempts[0]["cost"] == "0.25"
    only, _ = await written(db, clock.now(), campaign="campaign 1")
    assert [row["disposition"] for row in only] == ["busy"]
    outcomes, _ = await written(db, clock.now(), "outcomes")
    assert outcomes[0]["answers"] == '{"visit": "=1+1"}'
    turns, _ = await written(db, clock.now(), "turns")
    assert [row["text"] for row in turns] == ['\'@home, "yes"', "Fine."]
    answers, _ = await written(db, clock.now(), "answers")
    assert answers[0]["answer"] == "'=1+1"
    contacts, _ = await written(db, clock.now(), "contacts")
    assert len(contacts) == 2
    trail = await rows(db, "SELECT action, detail FROM audit_log WHERE action = 'export.write' ORDER BY id")
    assert [row["detail"]["what"] for row in trail][-1] == "contacts"


async def test_an_export_without_rows_has_a_header_all_the_same(db: Database, clock: ManualClock) -> None:
    out = io.BytesIO()
    await exports.export(
        db,
        "turns",
        exports.streamed(out),
        since=None,
        until=None,
        campaign=None,
        actor="test",
        now=clock.now(),
    )
    assert out.getvalue().decode().startswith("attempt_id,campaign_id,campaign,contact_id,seq,")


async def test_a_span_of_which_nothing_is_certain_yet_is_refused(db: Database, clock: ManualClock) -> None:
    with pytest.raises(BadInput, match="can be exported yet"):
        await written(db, clock.now(), since=clock.now() - store.LAG)


async def test_parquet_is_typed_and_says_the_same(db: Database, clock: ManualClock, tmp_path: Path) -> None:
    from pyarrow import parquet  # of the tests only: .ci/setup tests installs it

    desk = await Desk(db, clock.now()).open()
    await desk.attempt(D.INTERESTED, seconds=30, cost="0.25", data={"visit": "=1+1"})
    await desk.attempt(D.BUSY, contact=1)
    await clock.advance(600)
    for what in store.WHATS:
        path = tmp_path / f"{what}.parquet"
        done = await exports.export(
            db,
            what,
            exports.opened(path, "parquet"),
            since=None,
            until=None,
            campaign=None,
            actor="test",
            now=clock.now(),
        )
        table = parquet.read_table(path)
        assert table.num_rows == done.rows
        plain, _ = await written(db, clock.now(), what)
        assert table.column_names == list(plain[0]) if plain else table.column_names
    table = parquet.read_table(tmp_path / "outcomes.parquet")
    types = {field.name: str(field.type) for field in table.schema}
    assert (types["seconds"], types["cost"], types["final"]) == ("int32", "double", "bool")
    assert types["recorded_at"] == "timestamp[us, tz=UTC]"
    assert table.column("answers").to_pylist() == ['{"visit": "=1+1"}', "{}"]


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+1 212 555", "'+1 212 555"),
        ("+12125550142", "+12125550142"),
        ("+12125550142*2", "'+12125550142*2"),
        ("+1212555014233445566", "'+1212555014233445566"),
        ("-5", "'-5"),
        (-5, "-5"),
        ("@x", "'@x"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        (None, ""),
        (True, "true"),
        (0.5, "0.5"),
        ({"a": 1}, '{"a": 1}'),
        (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02T00:00:00+00:00"),
    ],
)
def test_text_that_a_spreadsheet_would_run_is_disarmed_and_numbers_stay(value: object, cell: str) -> None:
    assert as_cell(value) == cell


def test_what_no_file_holds_is_refused() -> None:
    with pytest.raises(TypeError, match="cannot hold a object"):
        as_cell(object())


def test_a_watermark_is_kept_and_nothing_else_is_taken_for_one(tmp_path: Path) -> None:
    mark = tmp_path / "attempts.mark"
    assert exports.read_mark(mark) is None
    at = datetime(2026, 11, 24, 15, 0, 0, 123456, tzinfo=UTC)
    exports.write_mark(mark, at)
    assert exports.read_mark(mark) == at
    for words in ("yesterday", "2026-11-24"):
        mark.write_text(words)
        with pytest.raises(BadInput, match="holds no watermark"):
            exports.read_mark(mark)


async def test_files_go_when_their_time_is_over_and_what_was_left_behind_goes_too(
    db: Database, clock: ManualClock, tmp_path: Path
) -> None:
    folder = exports.folder_of(tmp_path)
    ids = []
    async with db.transaction() as tx:
        for _ in range(2):
            given: dict[str, Any] = {"since": None, "until": None, "campaign_id": None, "actor": "test"}
            ids.append(
                await store.begin(
                    tx, what="turns", format_="csv", host="here", now=clock.now(), rate=1.0, **given
                )
            )
        path = folder / exports.file_name(ids[0], "csv")
        await store.finish(
            tx, ids[0], path=str(path), rows=0, size=0, until=clock.now(), now=clock.now(), rate=1.0
        )
    for name in (path.name, exports.part_name(ids[1]), exports.part_name(99)):
        (folder / name).touch()
    expiry = exports.Expiry(db, tmp_path, "here")
    assert await expiry.tick(clock.now()) == 1, "nobody writes export 99"
    assert await expiry.tick(clock.now()) == 0
    await clock.advance(store.KEPT.total_seconds() + 60)
    assert await expiry.tick(clock.now()) == 1
    async with db.connection() as tx:
        assert (await store.get(tx, ids[0])).state == "expired"
