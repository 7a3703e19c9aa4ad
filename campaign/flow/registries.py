"""Registry files → a new version, read beside the one in force, checked, and put in force as a whole.

Whatever goes wrong on the way leaves the version in force as it was: a copy that was cut short would have
people called who must not be, so one that looks like it is refused, with the reason and how to insist.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing, closing
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from campaign.domain.clock import Clock
from campaign.domain.csv_reader import RowError
from campaign.domain.errors import BadFile, BadInput, CampaignError, Conflict, NotFound
from campaign.domain.phone import is_region
from campaign.domain.registry_blocks import SIZE, Block, Blocks, changed, merged
from campaign.domain.registry_sheet import (
    NORTH_AMERICAN,
    Change,
    ChangeReader,
    FullReader,
    area_code_in,
    latest,
)
from campaign.domain.rulebook import Rulebook
from campaign.flow.hindrances import DIALS, SILENT_S
from campaign.flow.registry_files import Part, Text, parts
from campaign.flow.registry_standing import OTHERS, demands, rules_of
from campaign.store import dnc, leases, registries
from campaign.store.accounts import audit
from campaign.store.database import Database, Tx
from campaign.store.registries import Version

log = structlog.get_logger(__name__)

PIECE_BYTES = 4 << 20
SAMPLE_BYTES = 1 << 16
MOST_BAD = 0.02
"""The share of unreadable rows above which a copy isn't put in force by itself."""
LEAST_KEPT = 0.5
"""A copy with less than this share of the numbers in force looks as if it were cut short."""
MOST_CHANGES = 5_000_000
AHEAD = timedelta(hours=14)
"""A copy's date may have begun already somewhere in the world."""
WHATS = ("national", "state", "litigator", "other")


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be loaded, and how.

    Args:
        name: the registry's, such as "us-national-dnc": as the rule packs name it, if they do.
        as_of: date of the copy.
        area_codes: those that the files cover; None: they cover all numbers.
        by_names: the files' names tell the area codes, one each.
        what: one of WHATS; None: national for a registry that a pack names, else what it is already.
        region: ISO country of numbers without "+".
        mapping: field → header, for a telephone column that isn't recognised.
        accept_rejected: put it in force though many rows can't be read.
        force: also though it has far fewer numbers, or is older, than the copy in force.
    """

    name: str
    as_of: datetime
    area_codes: frozenset[str] | None = None
    by_names: bool = False
    what: str | None = None
    region: str = "US"
    mapping: Mapping[str, str] = field(default_factory=dict)
    accept_rejected: bool = False
    force: bool = False

    def check(self, now: datetime) -> None:
        """Raises BadInput for what can't be meant."""
        if self.name == dnc.OWN:
            raise BadInput('"own" is the name of our own list.', "Give the registry another name.")
        if self.as_of > now + AHEAD:
            raise BadInput("The copy's date lies in the future.", "Write the day it was downloaded on.")
        if not is_region(self.region):
            raise BadInput(f'"{self.region}" is no country.', "Write its ISO code, such as US or GB.")
        if self.what is not None and self.what not in WHATS:
            raise BadInput(f'"{self.what}" is no kind of registry.', f"There are: {', '.join(WHATS)}.")
        if (self.by_names or self.area_codes is not None) and self.region not in NORTH_AMERICAN:
            raise BadInput(f"Numbers of {self.region} have no area codes in our sense.", "Load all of it.")
        for code in self.area_codes or ():
            if len(code) != 3 or not code.isdigit() or code[0] in "01":
                raise BadInput(f'"{code}" is no area code.', "Write three digits, such as 212.")


@dataclass(slots=True)
class Progress:
    """How far a load is. `total` and `done` in bytes of text."""

    total: int
    done: int = 0
    rows: int = 0
    rejected: int = 0
    doing: str = "reading"


Watcher = Callable[[Progress], None]


async def load(
    db: Database,
    clock: Clock,
    rulebook: Rulebook,
    paths: Sequence[Path],
    order: Order,
    *,
    actor: str,
    watch: Watcher | None = None,
) -> Version:
    """Read a whole copy of a registry and put it in force.

    Returns:
        the version, in force.

    Raises:
        BadFile, TooLarge: the files can't be read, or look incomplete; the version of before stays in force.
        BadInput: the order can't be meant. Conflict: an older copy than that in force, another load under
        way, or a process that would not see the version.
    """
    now = clock.now()
    order.check(now)
    texts, files = await asyncio.to_thread(parts, paths)
    areas = _covered(order, texts)
    async with db.transaction() as tx:
        list_id = await _registry(tx, order, rulebook, now)
        before = await registries.active(tx, order.name)
        if before is not None and order.as_of < before.as_of and not order.force:
            raise Conflict(
                f"The copy in force is newer: it is of {before.as_of:%Y-%m-%d} (version {before.number}).",
                "Load a newer one, or add --force to go back to this one.",
            )
        version = await registries.begin(
            tx,
            list_id,
            source="full",
            base=None,
            files=files,
            as_of=order.as_of,
            area_codes=areas,
            actor=actor,
            now=now,
            silent=registries.SILENT * clock.rate,
        )
        detail = {"registry": order.name, "version": version.number, "files": [one["name"] for one in files]}
        await audit(tx, actor, "registry.load", f"registry:{order.name}", now, detail)
    work = _Work(db, clock, version, Progress(sum(one.size for one in texts)), watch)
    async with work:
        reading = _Reading(texts, order)
        try:
            async with aclosing(_ahead(reading)) as batches:
                async for batch in batches:
                    await work.store(batch)
        finally:
            reading.close()
        await _check_areas(db, version, order, texts)
        await work.check(before, accept_rejected=order.accept_rejected, force=order.force)
        return await work.put_in_force(rulebook, clean=areas is None)


def _covered(order: Order, texts: Sequence[Part]) -> frozenset[str] | None:
    if not order.by_names:
        return order.area_codes
    found: set[str] = set()
    for one in texts:
        code = area_code_in(one.name.rpartition("/")[2])
        if code is None:
            raise BadInput(
                f'The name "{one.name}" doesn\'t tell one area code.',
                "Rename the file so that it has three digits for its area code and no other three, or name "
                "them all with --area-codes.",
            )
        found.add(code)
    return frozenset(found)


async def _registry(tx: Tx, order: Order, rulebook: Rulebook, now: datetime) -> int:
    list_id = await dnc.ensure_list(tx, order.name, "registry", now)
    what = order.what or ("national" if order.name in demands(rulebook, now) else None)
    await registries.set_what(tx, list_id, what)
    return list_id


async def _check_areas(db: Database, version: Version, order: Order, texts: Sequence[Part]) -> None:
    """A stated area code of which there is no number wasn't in the files: it must not count as compared."""
    if version.area_codes is None or order.force:
        return
    async with db.connection() as tx:
        found = await registries.areas(tx, version.id)
    lacking = sorted(set(version.area_codes) - set(found))
    if lacking:
        raise BadFile(
            f"The files have no number of area code {', '.join(lacking[:10])}.",
            "Leave these area codes out, or add --force if nobody there is on the registry.",
        )
    more = sorted(set(found) - set(version.area_codes))
    if order.by_names and more:
        raise BadFile(
            f"The files' names don't tell the area codes {', '.join(more[:10])}, which their numbers have.",
            "Check the files, or name the area codes with --area-codes.",
        )


# ── changes ────────────────────────────────────────────────────────────────────────────────────────────


async def apply_changes(
    db: Database,
    clock: Clock,
    rulebook: Rulebook,
    paths: Sequence[Path],
    order: Order,
    *,
    actor: str,
    watch: Watcher | None = None,
) -> Version:
    """Apply change lists to the copy in force: a new version of a later date, put in force.

    Args:
        order: of it `name`, `as_of`, `region`, `accept_rejected` and `force` count.

    Raises:
        NotFound: there is no copy to change. Others as `load`.
    """
    now = clock.now()
    order.check(now)
    texts, files = await asyncio.to_thread(parts, paths)
    async with db.transaction() as tx:
        base = await registries.active(tx, order.name)
        if base is None:
            raise NotFound(
                f'No copy of a registry "{order.name}" is in force that changes could be applied to.',
                "Load a whole one first: campaign dnc registry load FILE",
            )
        if order.as_of <= base.as_of:
            raise Conflict(
                f"The copy in force is of {base.as_of:%Y-%m-%d} (version {base.number}): these changes are "
                "not newer.",
                "Changes are applied in the order of their dates, each once. Say the date of the list.",
            )
        version = await registries.begin(
            tx,
            base.list_id,
            source="changes",
            base=base.number,
            files=files,
            as_of=order.as_of,
            area_codes=base.area_codes,
            actor=actor,
            now=now,
            silent=registries.SILENT * clock.rate,
        )
        detail = {"registry": order.name, "version": version.number, "files": [one["name"] for one in files]}
        await audit(tx, actor, "registry.changes", f"registry:{order.name}", now, detail)
    work = _Work(db, clock, version, Progress(sum(one.size for one in texts)), watch)
    async with work:
        found, rejected = await asyncio.to_thread(_changes, texts, order.region)
        work.progress.done = work.progress.total
        await work.note(len(found) + len(rejected), rejected)
        work.say("copying")
        await work.copy(base)
        work.say("changing")
        await work.change(latest(found))
        await work.check(base, accept_rejected=order.accept_rejected, force=order.force)
        return await work.put_in_force(rulebook, clean=False)


def _changes(texts: Sequence[Part], region: str) -> tuple[list[Change], list[tuple[str, RowError]]]:
    found: list[Change] = []
    rejected: list[tuple[str, RowError]] = []
    for part in texts:
        with closing(part.open()) as file:
            piece = file.read(PIECE_BYTES)
            reader = ChangeReader(piece[:SAMPLE_BYTES], region=region)
            while True:
                for one in reader.feed(piece, final=not piece):
                    if isinstance(one, RowError):
                        rejected.append((part.name, one))
                    else:
                        found.append(one)
                if not piece:
                    break
                if len(found) > MOST_CHANGES:
                    raise BadFile(
                        f"The change lists have more than {MOST_CHANGES:,} rows.",
                        "Load a whole copy instead: campaign dnc registry load FILE",
                    )
                piece = file.read(PIECE_BYTES)
    return found, rejected


# ── reading ────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class _Batch:
    """What one piece of the files gave."""

    blocks: list[Block]
    rejected: list[tuple[str, RowError]]
    rows: int
    bytes: int


class _Reading:
    """The texts of a load, read piece by piece; works in a thread."""

    def __init__(self, texts: Sequence[Part], order: Order) -> None:
        self._left = list(texts)
        self._order = order
        self._blocks = Blocks()
        self._file: Text | None = None
        self._reader: FullReader | None = None
        self._name = ""
        self._ended = False

    def batch(self) -> _Batch | None:
        """The next piece; None after the last."""
        if self._ended:
            return None
        if self._file is None:
            if not self._left:
                self._ended = True
                return _Batch(list(self._blocks.complete(final=True)), [], 0, 0)
            part = self._left.pop(0)
            self._name = part.name
            self._file = part.open()
            piece = self._file.read(PIECE_BYTES)
            order = self._order
            try:
                self._reader = FullReader(piece[:SAMPLE_BYTES], region=order.region, mapping=order.mapping)
            except BadFile as error:
                raise BadFile(f"{part.name}: {error.what}", error.do) from error
        else:
            piece = self._file.read(PIECE_BYTES)
        assert self._reader is not None
        found = self._reader.feed(piece, final=not piece)
        if not piece:
            self.close()
        self._blocks.add(found.numbers)
        rejected = [(self._name, one) for one in found.rejected]
        return _Batch(list(self._blocks.complete()), rejected, found.rows, len(piece))

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


async def _ahead(reading: _Reading) -> AsyncGenerator[_Batch, None]:
    """Batches; the next is read while the caller stores the one before."""
    following = asyncio.create_task(asyncio.to_thread(reading.batch))
    try:
        while (batch := await following) is not None:
            following = asyncio.create_task(asyncio.to_thread(reading.batch))
            yield batch
    finally:
        await asyncio.wait([following])  # the thread must not read a closed file


# ── storing ────────────────────────────────────────────────────────────────────────────────────────────


class _Work:
    """One version on its way into force; as a context, whatever goes wrong closes it as failed."""

    def __init__(
        self, db: Database, clock: Clock, version: Version, progress: Progress, watch: Watcher | None
    ) -> None:
        self._db, self._clock = db, clock
        self.version, self.progress, self._watch = version, progress, watch
        self._stored: set[int] = set()

    async def __aenter__(self) -> None:
        return None

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None:
            return
        why = error.what if isinstance(error, CampaignError) else f"interrupted ({type(error).__name__})"
        try:
            async with self._db.transaction() as tx:
                await registries.fail(tx, self.version.id, why)
            await drop_old(self._db)
        except CampaignError:
            log.warning("registry_load_left", registry=self.version.name)  # its silence will tell

    def say(self, doing: str) -> None:
        """Tell the watcher."""
        self.progress.doing = doing
        if self._watch is not None:
            self._watch(self.progress)

    async def store(self, batch: _Batch) -> None:
        """Store blocks and count rows, in one transaction."""
        self.progress.done += batch.bytes
        async with self._db.transaction() as tx:
            again = [one.block for one in batch.blocks if one.block in self._stored]
            blocks = batch.blocks
            if again:  # numbers in no order
                there = await registries.read(tx, self.version.id, again)
                await registries.remove(tx, self.version.id, again)
                blocks = [
                    merged(there[one.block], one) if one.block in there else one for one in batch.blocks
                ]
            if blocks:
                await registries.write(tx, self.version.id, blocks)
            await self._advance(tx, batch.rows, batch.rejected)
        self._stored.update(one.block for one in batch.blocks)
        self.say("reading")

    async def note(self, rows: int, rejected: Sequence[tuple[str, RowError]]) -> None:
        """Count rows that are not stored as they come."""
        async with self._db.transaction() as tx:
            await self._advance(tx, rows, rejected)

    async def _advance(self, tx: Tx, rows: int, rejected: Sequence[tuple[str, RowError]]) -> None:
        progress = self.progress
        await registries.advance(
            tx,
            self.version,
            read=rows,
            rejected=rejected,
            kept=progress.rejected,
            now=self._clock.now(),
        )
        progress.rows += rows
        progress.rejected += len(rejected)

    async def copy(self, base: Version) -> None:
        """Begin with all that another version has."""
        after: int | None = -1
        while after is not None:
            async with self._db.transaction() as tx:
                after = await registries.copy_blocks(
                    tx, base.id, self.version.id, after, registries.GONE_AT_ONCE
                )
                await self._advance(tx, 0, [])

    async def change(self, listed: Mapping[int, bool]) -> None:
        """List some numbers and take others off."""
        by_block: dict[int, tuple[list[int], list[int]]] = {}
        for number, is_listed in listed.items():
            block, member = divmod(number, SIZE)
            by_block.setdefault(block, ([], []))[0 if is_listed else 1].append(member)
        touched = sorted(by_block)
        for at in range(0, len(touched), 5_000):
            some = touched[at : at + 5_000]
            async with self._db.transaction() as tx:
                there = await registries.read(tx, self.version.id, some)
                await registries.remove(tx, self.version.id, some)
                now_there = [
                    changed(there.get(block) or Block(block, 0, (), None), *by_block[block]) for block in some
                ]
                await registries.write(tx, self.version.id, [one for one in now_there if one.numbers])
                await self._advance(tx, 0, [])

    async def check(self, before: Version | None, *, accept_rejected: bool, force: bool) -> None:
        """Whether the version may be put in force.

        Raises:
            BadFile: it looks damaged or cut short.
        """
        version, progress = self.version, self.progress
        if progress.rejected > MOST_BAD * progress.rows and not accept_rejected:
            raise BadFile(
                f"{progress.rejected:,} of {progress.rows:,} rows cannot be read, so the copy is not put in "
                "force.",
                f"See them: campaign dnc registry rejected {version.name} --version {version.number}. "
                "To do without them add --accept-rejected.",
            )
        async with self._db.transaction() as tx:
            numbers = await registries.count(tx, version.id)
            await registries.set_numbers(tx, version.id, numbers)
            self.version = replace(version, numbers=numbers)
            if not numbers and version.source == "full":
                raise BadFile("The files hold no number.", "Check that they are the registry's.")
            if before is None or force:
                return
            both = _common(before.area_codes, version.area_codes)
            had, has = (
                await registries.count(tx, before.id, both),
                await registries.count(tx, version.id, both),
            )
        if has < LEAST_KEPT * had:
            raise BadFile(
                f"The new copy has {has:,} numbers where the one in force (version {before.number}) has "
                f"{had:,}: it looks as if it were cut short, so it is not put in force.",
                "Download it anew. If it is right, add --force.",
            )

    async def put_in_force(self, rulebook: Rulebook, *, clean: bool) -> Version:
        """Switch to this version, have whom the registry kept back judged anew, and drop what is over.

        Args:
            clean: it also takes the place of what was imported before there were versions.
        """
        db, clock, version = self._db, self._clock, self.version
        now = clock.now()
        self.say("putting in force")
        async with db.transaction() as tx:
            await dnc.lock(tx)  # no claim is under way: its numbers and its dates are of one version
            old = await leases.older(
                tx, now - timedelta(seconds=SILENT_S * clock.rate), registries.WORKS_FROM, DIALS
            )
            if old:
                raise Conflict(
                    f"A process of an older version of the service dials ({old[0]}); it would not see this "
                    "registry's numbers.",
                    "Finish the upgrade first: end that process and start the new version.",
                )
            if not await registries.activate(tx, version, now):
                raise Conflict(
                    "Another copy was put in force meanwhile.", "Begin again: campaign dnc registry list"
                )
            detail = {
                "registry": version.name,
                "version": version.number,
                "as_of": version.as_of.isoformat(),
                "numbers": version.numbers,
                "rejected": self.progress.rejected,
            }
            await audit(tx, version.actor, "registry.activate", f"registry:{version.name}", now, detail)
        log.info("registry_in_force", registry=version.name, version=version.number, numbers=version.numbers)
        await look_again(db, clock, rulebook, version.name)
        self.say("tidying up")
        while clean:
            async with db.transaction() as tx:
                clean = await registries.drop_entries(tx, version.list_id)
        await drop_old(db)
        async with db.connection() as tx:
            return await registries.get(tx, version.id)


def _common(one: Sequence[str] | None, other: Sequence[str] | None) -> set[str] | None:
    """The area codes that both cover; None: all numbers."""
    if one is None or other is None:
        return set(one or other or ()) or None
    return set(one) & set(other)


async def look_again(db: Database, clock: Clock, rulebook: Rulebook, name: str) -> None:
    """Contacts whom the registry kept back or forbade are judged anew with the next claim."""
    rules = [*rules_of(rulebook, [name]), OTHERS]
    after: int | None = 0
    while after is not None:
        async with db.transaction() as tx:
            after = await registries.look_again(tx, rules, after, clock.now())


async def drop_old(db: Database) -> None:
    """Remove the numbers of versions that are over, step by step."""
    more = True
    while more:
        async with db.transaction() as tx:
            more = await registries.drop_next(tx)
