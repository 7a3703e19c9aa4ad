"""Registries: copies of public and bought lists, each a version that is loaded beside the one in force.

A version's numbers are invisible until it is activated, in one short transaction that also retires the
version before it; from then on every claim looks them up there. Rows of old versions stay for the record
(16 CFR 310.5 demands it of the national registry); their numbers go.
"""

import struct
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy import text

from campaign.domain.csv_reader import RowError
from campaign.domain.errors import Conflict, NotFound
from campaign.domain.registry_blocks import Block
from campaign.store.database import Tx, copy_in
from campaign.store.models import registry_rejects, registry_versions

WORKS_FROM = "0006"
"""The oldest schema revision whose code sees the numbers of versions."""
SILENT = timedelta(seconds=60)
"""A load that has not shown itself for so long has been killed. On a fast clock: so many times longer."""
MOST_REJECTS = 10_000
"""Rejected rows that are kept of one version; all of them are counted."""
GONE_AT_ONCE = 20_000
"""Blocks of an old version that one transaction removes."""


@dataclass(frozen=True, slots=True)
class Version:
    """One copy of a registry; see models for the columns. `area_codes` None: it covers all numbers."""

    id: int
    list_id: int
    name: str
    what: str | None
    number: int
    state: str
    source: str
    base: int | None
    files: Sequence[dict[str, Any]]
    as_of: datetime
    area_codes: Sequence[str] | None
    numbers: int
    rows_read: int
    rows_rejected: int
    error: str | None
    actor: str
    began_at: datetime
    loaded_at: datetime | None
    retired_at: datetime | None


_COLUMNS = """
    v.id, v.list_id, l.name, l.what, v.number, v.state, v.source, v.base, v.files, v.as_of, v.area_codes,
    v.numbers, v.rows_read, v.rows_rejected, v.error, v.actor, v.began_at, v.loaded_at, v.retired_at
"""
_FROM = "registry_versions v JOIN dnc_lists l ON l.id = v.list_id"


async def get(tx: Tx, version_id: int) -> Version:
    """One version by its id."""
    found = await tx.execute(
        text(f"SELECT {_COLUMNS} FROM {_FROM} WHERE v.id = :id"),  # noqa: S608 (constants of this file)
        {"id": version_id},
    )
    return Version(**found.one()._mapping)


async def versions(tx: Tx, name: str | None = None) -> list[Version]:
    """All versions, or those of one registry, the newest first."""
    found = await tx.execute(
        text(
            f"""
            SELECT {_COLUMNS} FROM {_FROM}
             WHERE CAST(:name AS text) IS NULL OR l.name = :name ORDER BY l.name, v.number DESC
            """  # noqa: S608 (constants of this file)
        ),
        {"name": name},
    )
    return [Version(**row._mapping) for row in found]


async def active(tx: Tx, name: str) -> Version | None:
    """The version in force; None when there is none."""
    return next((one for one in await versions(tx, name) if one.state == "active"), None)


async def version_named(tx: Tx, name: str, number: int | None) -> Version:
    """A version by registry and number, the newest without one.

    Raises:
        NotFound: there is none.
    """
    for one in await versions(tx, name):
        if number in (None, one.number):
            return one
    which = f"version {number} of {name}" if number else f'registry "{name}" that was ever loaded'
    raise NotFound(f"There is no {which}.", "See them with: campaign dnc registry list --versions")


async def begin(
    tx: Tx,
    list_id: int,
    *,
    source: str,
    base: int | None,
    files: Sequence[dict[str, Any]],
    as_of: datetime,
    area_codes: Collection[str] | None,
    actor: str,
    now: datetime,
    silent: timedelta = SILENT,
) -> Version:
    """Make a version to load into. A load of the same registry that was killed is closed as failed.

    Args:
        source: "full", or "changes" applied to the version of number `base`.
        files: name, bytes and SHA-256 of each.

    Raises:
        Conflict: another load of that registry is under way.
    """
    await tx.execute(text("SELECT 1 FROM dnc_lists WHERE id = :id FOR UPDATE"), {"id": list_id})
    await tx.execute(
        text(
            """
            UPDATE registry_versions SET state = 'failed', error = 'the load was killed'
             WHERE list_id = :id AND state = 'loading' AND beat_at < :before
            """
        ),
        {"id": list_id, "before": now - silent},
    )
    other = (
        await tx.execute(
            text("SELECT actor FROM registry_versions WHERE list_id = :id AND state = 'loading'"),
            {"id": list_id},
        )
    ).scalar()
    if other is not None:
        raise Conflict(
            f"{other} is loading a copy of that registry right now.",
            f"Wait for its end. One that was killed counts as ended {silent.total_seconds():.0f} s later.",
        )
    made = await tx.execute(
        sa.insert(registry_versions)
        .values(
            list_id=list_id,
            number=sa.select(sa.func.coalesce(sa.func.max(registry_versions.c.number), 0) + 1)
            .where(registry_versions.c.list_id == list_id)
            .scalar_subquery(),
            state="loading",
            source=source,
            base=base,
            files=list(files),
            as_of=as_of,
            area_codes=None if area_codes is None else sorted(area_codes),
            actor=actor,
            began_at=now,
            beat_at=now,
        )
        .returning(registry_versions.c.id)
    )
    return await get(tx, made.scalar_one())


async def set_what(tx: Tx, list_id: int, what: str | None) -> None:
    """Note what a registry is (national, state, litigator, other); None: as it was, or other."""
    await tx.execute(
        text("UPDATE dnc_lists SET what = coalesce(CAST(:what AS text), what, 'other') WHERE id = :id"),
        {"what": what, "id": list_id},
    )


async def advance(
    tx: Tx, version: Version, *, read: int, rejected: Sequence[tuple[str, RowError]], kept: int, now: datetime
) -> None:
    """Count what was read of a version that is being loaded, and keep what was rejected.

    Args:
        read: rows, the rejected ones included.
        rejected: (file, row); `kept`: how many rejected rows of the version are kept already.

    Raises:
        Conflict: the version isn't being loaded any more: it was silent for too long.
    """
    done = await tx.execute(
        text(
            """
            UPDATE registry_versions
               SET beat_at = :now, rows_read = rows_read + :read, rows_rejected = rows_rejected + :rejected
             WHERE id = :id AND state = 'loading'
            """
        ),
        {"id": version.id, "now": now, "read": read, "rejected": len(rejected)},
    )
    if not done.rowcount:
        raise Conflict("This load stood still for too long and was closed; another may have begun.")
    rows = [
        (version.id, file, one.line, one.why, ",".join(one.cells)[:500])
        for file, one in rejected[: max(MOST_REJECTS - kept, 0)]
    ]
    if rows:
        await copy_in(tx, registry_rejects, ("version_id", "file", "line", "reason", "raw"), rows)


# ── numbers ────────────────────────────────────────────────────────────────────────────────────────────

_START = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_END = b"\xff\xff"
_NONE = b"\xff\xff\xff\xff"
_ROW = struct.Struct(">hiqiqih")
_ARRAY = struct.Struct(">iiiiii")
_MEMBERS = [struct.pack(">ih", 2, member) for member in range(10_000)]


def _wire(version_id: int, block: Block) -> bytes:
    """A row for COPY's binary format: four bytes of length and the value, for each of its five columns."""
    row = _ROW.pack(5, 8, version_id, 8, block.block, 2, block.numbers)
    if block.few is not None:
        members = b"".join(map(_MEMBERS.__getitem__, block.few))
        # one dimension, no nulls, of int2 (21), so many from index 1 on
        return row + _ARRAY.pack(20 + len(members), 1, 0, 21, len(block.few), 1) + members + _NONE
    assert block.bits is not None
    return row + _NONE + len(block.bits).to_bytes(4) + block.bits


async def write(tx: Tx, version_id: int, blocks: Iterable[Block]) -> None:
    """Store blocks that the version doesn't have yet."""
    driver = (await tx.get_raw_connection()).driver_connection
    assert isinstance(driver, psycopg.AsyncConnection)
    async with driver.cursor() as cursor:
        # A version that isn't wholly on the disk is never activated: the activation's commit waits for all.
        await cursor.execute("SET LOCAL synchronous_commit = off")
        async with cursor.copy(
            "COPY registry_blocks (version_id, block, numbers, few, bits) FROM STDIN (FORMAT BINARY)"
        ) as copy:
            await copy.write(_START)
            pieces: list[bytes] = []
            held = 0
            for block in blocks:
                pieces.append(_wire(version_id, block))
                held += len(pieces[-1])
                if held > 1 << 18:
                    await copy.write(b"".join(pieces))
                    pieces, held = [], 0
            await copy.write(b"".join([*pieces, _END]))


async def read(tx: Tx, version_id: int, blocks: Collection[int]) -> dict[int, Block]:
    """Those blocks of a version that it has."""
    found = await tx.execute(
        text(
            "SELECT block, numbers, few, bits FROM registry_blocks "
            "WHERE version_id = :id AND block = ANY(:blocks)"
        ),
        {"id": version_id, "blocks": list(blocks)},
    )
    return {
        row.block: Block(row.block, row.numbers, None if row.few is None else tuple(row.few), row.bits)
        for row in found
    }


async def remove(tx: Tx, version_id: int, blocks: Collection[int]) -> None:
    """Take blocks out of a version that is being loaded."""
    await tx.execute(
        text("DELETE FROM registry_blocks WHERE version_id = :id AND block = ANY(:blocks)"),
        {"id": version_id, "blocks": list(blocks)},
    )


async def copy_blocks(tx: Tx, base_id: int, version_id: int, after: int, most: int) -> int | None:
    """Copy the next blocks of one version into another.

    Args:
        after: only of blocks beyond this one; most: so many at once.

    Returns:
        the last block copied; None when there were none left.
    """
    last: int | None = (
        await tx.execute(
            text(
                """
                WITH copied AS (
                    INSERT INTO registry_blocks (version_id, block, numbers, few, bits)
                    SELECT :to, block, numbers, few, bits FROM registry_blocks
                     WHERE version_id = :base AND block > :after ORDER BY block LIMIT :most
                    RETURNING block)
                SELECT max(block) FROM copied
                """
            ),
            {"base": base_id, "to": version_id, "after": after, "most": most},
        )
    ).scalar_one()
    return last


async def count(tx: Tx, version_id: int, area_codes: Collection[str] | None = None) -> int:
    """How many numbers a version has, in all or in those North American area codes."""
    numbers: int = (
        await tx.execute(
            text(
                """
                SELECT coalesce(sum(numbers), 0) FROM registry_blocks
                 WHERE version_id = :id
                   AND (CAST(:areas AS bigint[]) IS NULL OR block / 1000 = ANY(:areas))
                """
            ),
            {"id": version_id, "areas": None if area_codes is None else [1000 + int(a) for a in area_codes]},
        )
    ).scalar_one()
    return int(numbers)


async def areas(tx: Tx, version_id: int) -> dict[str, int]:
    """North American area code → how many numbers a version has there."""
    found = await tx.execute(
        text(
            """
            SELECT block / 1000 - 1000 AS area, sum(numbers) AS numbers FROM registry_blocks
             WHERE version_id = :id AND block BETWEEN 1000000 AND 1999999 GROUP BY 1 ORDER BY 1
            """
        ),
        {"id": version_id},
    )
    return {f"{row.area:03}": int(row.numbers) for row in found}


# ── into force, and out of it ──────────────────────────────────────────────────────────────────────────


async def set_numbers(tx: Tx, version_id: int, numbers: int) -> None:
    """Note how many numbers a version has that is wholly loaded, and have the planner look at it: a list of
    contacts is compared by another plan than a claim's few numbers."""
    await tx.execute(text("ANALYZE registry_blocks"))
    await tx.execute(
        text("UPDATE registry_versions SET numbers = :n WHERE id = :id"), {"n": numbers, "id": version_id}
    )


async def activate(tx: Tx, version: Version, now: datetime) -> bool:
    """Put a loaded version in force instead of the one before; the caller holds the do-not-call lock.

    The first version of all shuts out code that would not see its numbers: no such code may be started any
    more. (`dnc_lists.as_of` is what that code goes by; without it, it calls nobody who needs the registry.)

    Returns:
        False when the version isn't being loaded any more, or, for changes, its base isn't in force.
    """
    before = (
        await tx.execute(
            text(
                """
                SELECT number FROM registry_versions
                 WHERE list_id = :list AND state = 'active' FOR UPDATE
                """
            ),
            {"list": version.list_id},
        )
    ).scalar()
    if version.base is not None and version.base != before:
        return False
    given = {"id": version.id, "list": version.list_id, "now": now}
    await tx.execute(
        text(
            "UPDATE registry_versions SET state = 'retired', retired_at = :now "
            "WHERE list_id = :list AND state = 'active' AND id <> :id"
        ),
        given,
    )
    done = await tx.execute(
        text(
            "UPDATE registry_versions SET state = 'active', loaded_at = :now, beat_at = :now "
            "WHERE id = :id AND list_id = :list AND state = 'loading'"
        ),
        given,
    )
    await tx.execute(text("UPDATE dnc_lists SET as_of = NULL WHERE id = :list"), given)
    await tx.execute(
        text("UPDATE installation SET works_from = :from WHERE works_from < :from"), {"from": WORKS_FROM}
    )
    return bool(done.rowcount)


async def fail(tx: Tx, version_id: int, why: str) -> None:
    """Close a load that is not to be put in force."""
    await tx.execute(
        text(
            "UPDATE registry_versions SET state = 'failed', error = :why WHERE id = :id AND state = 'loading'"
        ),
        {"id": version_id, "why": why[:2000]},
    )


async def drop_next(tx: Tx) -> bool:
    """Remove some numbers of versions that are over; whether there may be more.

    In steps, so that it holds nobody up; one that was interrupted goes on with the next load.
    """
    over = (
        await tx.execute(
            text(
                """
                SELECT id FROM registry_versions WHERE state IN ('retired', 'failed') AND NOT emptied
                 ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED
                """
            )
        )
    ).scalar()
    if over is None:
        return False
    gone = await tx.execute(
        text(
            """
            DELETE FROM registry_blocks
             WHERE version_id = :id AND block IN (
                   SELECT block FROM registry_blocks WHERE version_id = :id ORDER BY block LIMIT :most)
            """
        ),
        {"id": over, "most": GONE_AT_ONCE},
    )
    if gone.rowcount < GONE_AT_ONCE:
        await tx.execute(text("UPDATE registry_versions SET emptied = true WHERE id = :id"), {"id": over})
    return True


async def drop_entries(tx: Tx, list_id: int, most: int = GONE_AT_ONCE) -> bool:
    """Remove some of the entries imported into a registry before it had versions; whether more may be left.

    Entries that somebody added singly stay.
    """
    gone = await tx.execute(
        text(
            """
            DELETE FROM dnc_entries WHERE list_id = :id AND phone IN (
                   SELECT phone FROM dnc_entries WHERE list_id = :id AND source = 'import' LIMIT :most)
            """
        ),
        {"id": list_id, "most": most},
    )
    return bool(gone.rowcount >= most)


async def rejected(tx: Tx, version_id: int, *, most: int = MOST_REJECTS) -> list[tuple[str, int, str, str]]:
    """Rejected rows that are kept of a version: file, line, why, the row itself."""
    found = await tx.execute(
        text(
            "SELECT file, line, reason, raw FROM registry_rejects "
            "WHERE version_id = :id ORDER BY id LIMIT :most"
        ),
        {"id": version_id, "most": most},
    )
    return [(row.file, row.line, row.reason, row.raw) for row in found]


async def look_again(tx: Tx, rules: Collection[str], after: int, now: datetime) -> int | None:
    """Contacts whom a registry kept back are judged anew at once: some of them, in the order of their ids.

    Args:
        rules: ids of the rules that speak of the registry.
        after: the last id that was looked at.

    Returns:
        the last id looked at now; None when that was the end.
    """
    last: int | None = (
        await tx.execute(
            text(
                """
                WITH step AS (SELECT id FROM campaign_contacts WHERE id > :after ORDER BY id LIMIT :most),
                again AS (
                    UPDATE campaign_contacts cc
                       SET state = 'waiting', next_at = :now, waiting_for = NULL, updated_at = :now
                      FROM campaigns c
                     WHERE cc.id IN (SELECT id FROM step) AND cc.state IN ('waiting', 'blocked')
                       AND cc.waiting_for = ANY(:rules)
                       AND c.id = cc.campaign_id AND c.state IN ('scheduled', 'running', 'paused'))
                SELECT max(id) FROM step
                """
            ),
            {"after": after, "rules": list(rules), "now": now, "most": GONE_AT_ONCE},
        )
    ).scalar_one()
    return last


# ── how they stand ─────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Copy:
    """The copy of a registry that is in force.

    `version`: its number, None for one that was imported before there were versions. `area_codes`: those that
    it covers, None for all.
    """

    name: str
    as_of: datetime
    version: int | None
    area_codes: frozenset[str] | None
    numbers: int

    def lacks(self, area_code: str | None) -> str | None:
        """That area code, if the copy doesn't cover it."""
        covered = area_code is None or self.area_codes is None or area_code in self.area_codes
        return None if covered else area_code


async def in_force(tx: Tx) -> dict[str, Copy]:
    """Registry name → its copy in force; registries without a copy, or with one of no date, are not named."""
    rows = await tx.execute(
        text(
            """
            SELECT l.name, coalesce(v.as_of, l.as_of) AS as_of, v.number, v.area_codes, v.numbers
              FROM dnc_lists l LEFT JOIN registry_versions v ON v.list_id = l.id AND v.state = 'active'
             WHERE l.kind = 'registry' AND (v.id IS NOT NULL OR l.as_of IS NOT NULL)
            """
        )
    )
    return {
        row.name: Copy(
            row.name,
            row.as_of,
            row.number,
            None if row.area_codes is None else frozenset(row.area_codes),
            row.numbers or 0,
        )
        for row in rows
    }


async def kept_back(tx: Tx, campaign_id: int, rules: Collection[str]) -> dict[str, int]:
    """Rule id → how many contacts of a campaign wait for it."""
    rows = await tx.execute(
        text(
            """
            SELECT waiting_for, count(*) AS contacts FROM campaign_contacts
             WHERE campaign_id = :id AND state = 'waiting' AND waiting_for = ANY(:rules) GROUP BY 1
            """
        ),
        {"id": campaign_id, "rules": list(rules)},
    )
    return {row.waiting_for: row.contacts for row in rows}


async def kept_back_whole(
    tx: Tx, rules: Collection[str], campaign_id: int | None = None
) -> list[tuple[int, str]]:
    """Running campaigns that have contacts left, every one of whom waits for one of those rules: id and name.

    Args:
        campaign_id: only that one.
    """
    rows = await tx.execute(
        text(
            """
            SELECT c.id, c.name FROM campaigns c
             WHERE c.state = 'running' AND (CAST(:id AS bigint) IS NULL OR c.id = :id)
               AND EXISTS (SELECT FROM campaign_contacts cc
                            WHERE cc.campaign_id = c.id AND cc.next_at IS NOT NULL)
               AND NOT EXISTS (SELECT FROM campaign_contacts cc
                                WHERE cc.campaign_id = c.id AND cc.next_at IS NOT NULL
                                  AND (cc.waiting_for IS NULL OR cc.waiting_for <> ALL(:rules)))
               AND NOT EXISTS (SELECT FROM campaign_contacts cc
                                WHERE cc.campaign_id = c.id AND cc.state = 'calling')
             ORDER BY c.id
            """
        ),
        {"id": campaign_id, "rules": list(rules)},
    )
    return [(row.id, row.name) for row in rows]
