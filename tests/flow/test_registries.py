"""Registries from their files into force, whole or not at all; and what a missing or old copy does."""

import dataclasses
import json
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaign.domain.errors import BadFile, BadInput, Conflict, NotFound, TooLarge
from campaign.domain.pacing import Pace
from campaign.flow import enrol, hindrances, lifecycle, registries, registry_standing
from campaign.flow.claiming import Claim, Claimer, ClaimLimits
from campaign.flow.registry_watch import EVERY, RegistryWatch
from campaign.settings import read_settings
from campaign.store import campaigns, dnc, migrate
from campaign.store import registries as store
from campaign.store.database import Database
from campaign.wiring import read_rates, token
from tests.support.campaigns import definition, make_list, phone, rows
from tests.support.clock import ManualClock
from tests.support.registries import NAME, change, demanding, load, registry_file

BOOK = demanding()
SCHEMA = json.dumps({"schema": migrate.head()}).replace(":", "\\:")
"""What a process of this version tells of itself, for a statement's text."""
RATES = read_rates(read_settings({}, None))


async def listed(db: Database, *numbers: str) -> set[str]:
    """Which of the numbers (without +1) a claim would find on a registry."""
    async with db.connection() as tx:
        found = await dnc.hits(tx, [f"+1{number}" for number in numbers])
    return {hit.phone[2:] for hit in found}


async def states(db: Database) -> list[str]:
    async with db.connection() as tx:
        return [one.state for one in reversed(await store.versions(tx, NAME))]


# ── loading ────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_copy_is_in_force_as_a_whole_with_its_record(
    db: Database, clock: ManualClock, tmp_path: Path
) -> None:
    file = registry_file(tmp_path, ["2125550142", "305,5550101", "2125550142"])
    version = await load(db, clock, file, what="national")
    assert (version.number, version.state, version.numbers, version.rows_read) == (1, "active", 2, 3)
    assert (version.what, version.actor, version.area_codes) == ("national", "cli:ana", None)
    assert version.files[0]["name"] == "registry.txt"
    assert len(version.files[0]["sha256"]) == 64
    assert await listed(db, "2125550142", "3055550101", "2125550143") == {"2125550142", "3055550101"}
    async with db.connection() as tx:
        (hit,) = await dnc.check(tx, "+12125550142")
    assert (hit.list_name, hit.kind, hit.version, hit.added_at) == (NAME, "registry", 1, version.as_of)
    trail = await rows(db, "SELECT action, actor, detail FROM audit_log ORDER BY id")
    assert [row["action"] for row in trail] == ["registry.load", "registry.activate"]
    assert trail[1]["detail"]["numbers"] == 2


async def test_a_new_copy_takes_the_place_of_the_old_whose_numbers_go_and_whose_record_stays(
    db: Database, clock: ManualClock, tmp_path: Path
) -> None:
    await load(db, clock, registry_file(tmp_path, ["2125550142", "3055550101"]), age_days=9)
    await load(db, clock, registry_file(tmp_path, ["3055550101", "3055550102"]))
    assert await listed(db, "2125550142", "3055550101", "3055550102") == {"3055550101", "3055550102"}
    assert await states(db) == ["retired", "active"]
    (kept,) = await rows(db, "SELECT count(DISTINCT version_id) AS n FROM registry_blocks")
    assert kept["n"] == 1


async def test_files_of_area_codes_cover_these_and_no_others(
    db: Database, clock: ManualClock, tmp_path: Path
) -> None:
    files = [registry_file(tmp_path, [f"{area}5550142"], f"{area}.txt") for area in ("212", "305")]
    version = await load(db, clock, *files, by_names=True)
    assert version.area_codes == ["212", "305"]
    with pytest.raises(BadFile, match="no number of area code 646"):
        await load(db, clock, *files, area_codes=frozenset({"212", "305", "646"}))
    with pytest.raises(BadInput, match="doesn't tell one area code"):
        await load(db, clock, registry_file(tmp_path, ["2125550142"]), by_names=True)
    mixed = registry_file(tmp_path, ["2125550142", "3055550101", "4155550101"], "212.txt")
    with pytest.raises(BadFile, match="don't tell the area codes 415"):
        await load(db, clock, mixed, files[1], by_names=True)
    assert await listed(db, "2125550142", "3055550142", "4155550101") == {"2125550142", "3055550142"}


async def test_archives_are_read_member_by_member(db: Database, clock: ManualClock, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "list.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("212.txt", "2125550142\n2125550143\n")
        archive.writestr("305.txt", "305,5550101\n")
        archive.writestr("__MACOSX/._305.txt", "junk")
    version = await load(db, clock, tmp_path / "list.zip", by_names=True)
    assert (version.numbers, version.area_codes) == (3, ["212", "305"])


async def test_an_archive_that_would_fill_the_disk_is_refused_unread(
    db: Database, clock: ManualClock, tmp_path: Path
) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("212.txt", b"0" * 30_000_000)
    with pytest.raises(TooLarge, match="would unpack to 30 MB"):
        await load(db, clock, tmp_path / "bomb.zip")
    with zipfile.ZipFile(tmp_path / "book.xlsx", "w") as archive:
        archive.writestr("[Content_Types].xml", "<x/>")
    with pytest.raises(BadFile, match="Excel workbook"):
        await load(db, clock, tmp_path / "book.xlsx")


async def test_a_damaged_archive_changes_nothing(db: Database, clock: ManualClock, tmp_path: Path) -> None:
    await load(db, clock, registry_file(tmp_path, ["2125550142"]))
    path = tmp_path / "list.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("all.txt", "".join(f"212555{n:04}\n" for n in range(3000)))
    data = bytearray(path.read_bytes())
    data[5000:5010] = b"9999999999"
    path.write_bytes(data)
    with pytest.raises(BadFile, match=r"list\.zip/all\.txt cannot be unpacked"):
        await load(db, clock, path)
    assert await states(db) == ["active", "failed"]
    assert await listed(db, "2125550142") == {"2125550142"}
    assert await rows(db, "SELECT 1 FROM registry_blocks b JOIN registry_versions v ON v.id = b.version_id "
                      "WHERE v.state <> 'active'") == []  # fmt: skip


async def test_many_unreadable_rows_need_a_word_from_the_operator(
    db: Database, clock: ManualClock, tmp_path: Path
) -> None:
    file = registry_file(tmp_path, [*(f"212555{n:04}" for n in range(90)), *["junk"] * 10])
    with pytest.raises(BadFile, match="10 of 100 rows cannot be read"):
        await load(db, clock, file)
    assert await listed(db, "2125550001") == set()
    version = await load(db, clock, file, accept_rejected=True)
    assert (version.number, version.numbers, version.rows_rejected) == (2, 90, 10)
    async with db.connection() as tx:
        kept = await store.rejected(tx, version.id)
    assert kept[0] == ("registry.txt", 91, kept[0][2], "junk")
    assert len(kept) == 10


async def test_a_copy_that_looks_cut_short_is_refused_unless_forced(
    db: Database, clock: ManualClock, tmp_path: Path
) -> None:
    whole = [f"212555{n:04}" for n in range(100)]
    await load(db, clock, registry_file(tmp_path, [*whole, "3055550101"]))
    short = registry_file(tmp_path, whole[:40])
    with pytest.raises(BadFile, match=r"has 40 numbers where the one in force \(version 1\) has 101"):
        await load(db, clock, short)
    with pytest.raises(BadFile, match="has 40 numbers"):
        await load(db, clock, short, area_codes=frozenset({"212"}))
    assert await listed(db, "2125550099") == {"2125550099"}
    await load(db, clock, registry_file(tmp_path, whole[:60]), area_codes=frozenset({"212"}))
    await load(db, clock, registry_file(tmp_path, whole[:1]), force=True)
    assert await listed(db, "2125550000", "2125550001") == {"2125550000"}


IMPOSSIBLE: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"age_days": -2}, BadInput, "future"),
    ({"age_days": 20}, Conflict, "The copy in force is newer"),
    ({"region": "XX"}, BadInput, "no country"),
    ({"what": "nonsense"}, BadInput, "no kind of registry"),
    ({"area_codes": frozenset({"12"})}, BadInput, "no area code"),
    ({"region": "GB", "by_names": True}, BadInput, "no area codes"),
    ({"name": "own"}, BadInput, "our own list"),
    ({"name": "partners"}, Conflict, "of kind campaign"),
]


async def test_orders_that_cannot_be_meant_are_refused(
    db: Database, clock: ManualClock, tmp_path: Path
) -> None:
    file = registry_file(tmp_path, ["2125550142"])
    await load(db, clock, file, age_days=2)
    async with db.transaction() as tx:
        await dnc.ensure_list(tx, "partners", "campaign", clock.now())
    for order, error, why in IMPOSSIBLE:
        with pytest.raises(error, match=why):
            await load(db, clock, file, **order)
    assert await listed(db, "2125550142") == {"2125550142"}


async def test_two_loads_at_once_are_not_possible_and_a_killed_one_makes_room(
    db: Database, clock: ManualClock, tmp_path: Path
) -> None:
    file = registry_file(tmp_path, ["2125550142"])
    await load(db, clock, file)
    await rows(db, "UPDATE registry_versions SET state = 'loading', emptied = false WHERE number = 1")
    with pytest.raises(Conflict, match="cli:ana is loading"):
        await load(db, clock, file)
    await clock.advance(61)
    assert (await load(db, clock, file)).number == 2
    assert await states(db) == ["failed", "active"]
    (left,) = await rows(db, "SELECT count(*) AS n FROM registry_blocks")
    assert left["n"] == 1


async def test_older_code_is_shut_out_with_the_first_version_and_not_before(
    db: Database, clock: ManualClock, tmp_path: Path
) -> None:
    async def works_from() -> str:
        (row,) = await rows(db, "SELECT works_from FROM installation")
        return str(row["works_from"])

    before = await works_from()
    assert before < store.WORKS_FROM
    file = registry_file(tmp_path, ["2125550142"])
    await rows(
        db,
        "INSERT INTO replicas (id, role, host, pid, started_at, beat_at) "
        "VALUES ('old', 'all', 'h', 1, :now, :now)",
        now=clock.now(),
    )
    with pytest.raises(Conflict, match="older version of the service dials"):
        await load(db, clock, file)
    assert await works_from() == before
    await rows(db, f"UPDATE replicas SET detail = '{SCHEMA}'")
    await load(db, clock, file)
    assert await works_from() == store.WORKS_FROM


async def test_what_was_imported_before_there_were_versions_counts_until_a_whole_copy_comes(
    db: Database, clock: ManualClock, tmp_path: Path
) -> None:
    async with db.transaction() as tx:
        list_id = await dnc.ensure_list(tx, NAME, "registry", clock.now(), clock.now() - timedelta(days=3))
        for number, source in (("+12125550142", "import"), ("+12125550143", "cli")):
            await dnc.bulk_add(tx, list_id, [(number, "")], source=source, actor="x", now=clock.now())
        copies = await store.in_force(tx)
    assert copies[NAME].version is None
    some = registry_file(tmp_path, ["3055550101"])
    await load(db, clock, some, area_codes=frozenset({"305"}))
    assert await listed(db, "2125550142", "2125550143") == {"2125550142", "2125550143"}
    await load(db, clock, some)
    assert await listed(db, "2125550142", "2125550143") == {"2125550143"}


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_what_a_file_lists_is_found_and_nothing_else(
    db: Database, clock: ManualClock, tmp_path: Path, data: st.DataObject
) -> None:
    number = st.builds(lambda n: f"21255{n:05}", st.integers(0, 21_000))
    some = data.draw(st.lists(number, min_size=1, max_size=30))
    first, step = data.draw(st.integers(0, 500)), data.draw(st.integers(1, 9))
    some += [f"21255{n:05}" for n in range(first, data.draw(st.integers(0, 6000)), step)]
    asked = [*some[:40], *data.draw(st.lists(number, max_size=40))]
    await load(
        db, clock, registry_file(tmp_path, data.draw(st.permutations(some[:60])) + some[60:]), force=True
    )
    assert await listed(db, *asked) == set(asked) & set(some)


# ── changes ────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_change_list_makes_a_new_version_of_a_later_date(
    db: Database, clock: ManualClock, tmp_path: Path
) -> None:
    dense = [f"212555{n:04}" for n in range(600)]
    await load(
        db, clock, registry_file(tmp_path, [*dense, "3055550101"]), area_codes=frozenset({"212", "305"})
    )
    list_ = registry_file(
        tmp_path,
        [
            "2125550600,2026-11-23,A",
            "212,5550001,2026-11-23,D",
            "3055550101,D",
            "3055559999,A",
            "4155550000,A",
        ],
        "changes.txt",
    )
    version = await change(db, clock, list_)
    assert (version.number, version.base, version.source) == (2, 1, "changes")
    assert (version.numbers, version.area_codes) == (602, ["212", "305"])
    gone, come = {"2125550001", "3055550101"}, {"2125550600", "3055559999", "4155550000"}
    assert await listed(db, *gone, *come, *dense[:3]) == come | {dense[0], dense[2]}
    with pytest.raises(Conflict, match="these changes are not newer"):
        await change(db, clock, list_)
    with pytest.raises(Conflict, match="these changes are not newer"):
        await change(db, clock, list_, age_days=5)


async def test_changes_that_empty_a_registry_or_cannot_be_read_are_refused(
    db: Database, clock: ManualClock, tmp_path: Path
) -> None:
    with pytest.raises(NotFound, match="No copy of a registry"):
        await change(db, clock, registry_file(tmp_path, ["2125550142,D"]))
    await load(db, clock, registry_file(tmp_path, [f"212555{n:04}" for n in range(10)]))
    away = registry_file(tmp_path, [f"212555{n:04},D" for n in range(9)], "changes.txt")
    with pytest.raises(BadFile, match="cut short"):
        await change(db, clock, away)
    half = registry_file(tmp_path, ["2125550001,D", "junk,D"], "half.txt")
    with pytest.raises(BadFile, match="1 of 2 rows cannot be read"):
        await change(db, clock, half)
    assert await listed(db, "2125550001") == {"2125550001"}
    assert (await change(db, clock, away, force=True)).numbers == 1


# ── dialling ───────────────────────────────────────────────────────────────────────────────────────────


async def campaign(db: Database, clock: ManualClock, contacts: int = 4) -> int:
    await make_list(db, contacts=contacts)
    made = await lifecycle.create(db, definition(), actor="test", now=clock.now())
    await enrol.catch_up(db, BOOK, made.id, clock.now())
    await lifecycle.start(db, "Minimal", actor="test", now=clock.now())
    await rows(
        db,
        "INSERT INTO replicas (id, role, host, pid, started_at, beat_at, detail) "
        f"VALUES ('r', 'dialer', 'h', 1, :now, :later, '{SCHEMA}'), "
        "('w', 'web', 'h', 2, :now, :later, '{}')",
        now=clock.now(),
        later=clock.now() + timedelta(days=90),
    )
    return made.id


class Dialler:
    """Claims as the service does, and settles at once what it claimed."""

    def __init__(self, db: Database, clock: ManualClock) -> None:
        self._db, self._clock = db, clock
        pace = Pace(100)
        self._claimer = Claimer(ClaimLimits(pace, None, BOOK, RATES, "r", token))

    async def claim(self) -> set[str]:
        """The numbers that would be dialled now."""
        found: set[str] = set()
        for _ in range(4):
            async with self._db.transaction() as tx:
                claim: Claim = await self._claimer.claim(tx, self._clock)
            found |= {dial.phone for dial in claim.dials}
            await self._clock.advance(1)
        return found


async def told(db: Database, clock: ManualClock) -> list[str]:
    async with db.connection() as tx:
        row = await campaigns.find(tx, "Minimal")
        return await hindrances.of_campaign(tx, row, clock.now(), rates=RATES, rulebook=BOOK)


async def waiting_for(db: Database) -> dict[str, int]:
    found = await rows(
        db,
        "SELECT state || ' ' || coalesce(waiting_for, '-') AS what, count(*) AS n "
        "FROM campaign_contacts GROUP BY 1",
    )
    return {row["what"]: row["n"] for row in found}


async def test_without_a_copy_everybody_waits_the_campaign_pauses_and_a_fresh_copy_frees_them(
    db: Database, clock: ManualClock, tmp_path: Path
) -> None:
    campaign_id = await campaign(db, clock)
    dialler, watch = Dialler(db, clock), RegistryWatch(db, BOOK)
    assert await dialler.claim() == set()
    assert await waiting_for(db) == {"waiting US.registry": 4}
    (sentence,) = await told(db, clock)
    assert (
        "4 contacts wait for the registry us-national-dnc: it is not loaded, and US.registry demands it"
        in sentence
    )
    assert "campaign dnc registry load FILE --name us-national-dnc" in sentence
    (paused,) = await watch(clock.now())
    assert (paused.campaign_id, paused.state) == (campaign_id, "paused")
    assert "us-national-dnc: it is not loaded" in paused.why
    assert 'campaign resume "Minimal"' in paused.why
    assert await watch(clock.now()) == []
    await load(db, clock, registry_file(tmp_path, [phone(1)[2:]]))
    await lifecycle.resume(db, "Minimal", actor="test", now=clock.now())
    assert await dialler.claim() == {phone(0), phone(2), phone(3)}
    assert await waiting_for(db) == {"calling -": 3, "blocked US.registry": 1}
    kept = await rows(db, "SELECT facts, reasons FROM decisions WHERE verdict = 'allow' LIMIT 1")
    assert kept[0]["facts"]["scrubs"][NAME]["version"] == "1"
    assert any(reason.get("basis") == f"{NAME}@1" for reason in kept[0]["reasons"]["reasons"])


async def test_who_needs_no_registry_is_called_and_the_others_are_called_by_themselves_later(
    db: Database, clock: ManualClock, tmp_path: Path
) -> None:
    await campaign(db, clock)
    await rows(
        db,
        "UPDATE contacts SET consent = 'express_written', consent_at = :now WHERE phone = :phone",
        now=clock.now() - timedelta(days=30),
        phone=phone(2),
    )
    await load(db, clock, registry_file(tmp_path, [phone(1)[2:]]), age_days=32)
    dialler, watch = Dialler(db, clock), RegistryWatch(db, BOOK)
    assert await dialler.claim() == {phone(2)}
    assert await waiting_for(db) == {"calling -": 1, "waiting US.registry": 2, "blocked US.registry": 1}
    assert await watch(clock.now()) == [], "a call is under way"
    (sentence,) = await told(db, clock)
    assert "2 contacts wait" in sentence
    assert "(version 1) is 32 days old, and US.registry allows 31" in sentence
    await load(db, clock, registry_file(tmp_path, [phone(3)[2:]]))
    assert await told(db, clock) == []
    assert await dialler.claim() == {phone(0), phone(1)}, "and whom the old copy had is judged by the new"


async def test_an_area_code_that_the_copy_lacks_waits(
    db: Database, clock: ManualClock, tmp_path: Path
) -> None:
    await campaign(db, clock)
    await load(db, clock, registry_file(tmp_path, ["3055550101"]), area_codes=frozenset({"305"}))
    assert await Dialler(db, clock).claim() == set()
    (kept,) = await rows(db, "SELECT DISTINCT reasons -> 'reasons' -> 0 ->> 'why' AS why FROM decisions")
    assert kept["why"].startswith("Area code 212 is not in the copy of us-national-dnc (")
    (sentence,) = await told(db, clock)
    assert "doesn't have their area codes" in sentence
    (paused,) = await RegistryWatch(db, BOOK)(clock.now())
    assert paused.state == "paused"


async def test_a_copy_that_grows_too_old_stops_dialling_at_that_instant(
    db: Database, clock: ManualClock, tmp_path: Path
) -> None:
    await campaign(db, clock)
    await load(db, clock, registry_file(tmp_path, ["3055550101"]), age_days=31 - 2 / 86400)
    await clock.advance(3)
    assert await Dialler(db, clock).claim() == set()


async def test_a_campaign_is_looked_over_now_and_then_not_every_second(
    db: Database, clock: ManualClock
) -> None:
    await campaign(db, clock)
    dialler, watch = Dialler(db, clock), RegistryWatch(db, BOOK)
    assert await watch(clock.now()) == []
    await dialler.claim()
    assert await watch(clock.now()) == []
    await clock.advance(EVERY.total_seconds())
    assert len(await watch(clock.now())) == 1


async def test_a_litigators_list_bars_whatever_the_consent_and_needs_no_rule(
    db: Database, clock: ManualClock, tmp_path: Path
) -> None:
    await campaign(db, clock)
    file = registry_file(tmp_path, [phone(0)[2:]])
    await load(db, clock, registry_file(tmp_path, ["3055550101"], "n.txt"))
    await load(db, clock, file, name="litigators", what="litigator")
    await rows(db, "UPDATE contacts SET consent = 'express_written', consent_at = :now", now=clock.now())
    assert await Dialler(db, clock).claim() == {phone(1), phone(2), phone(3)}
    assert (await waiting_for(db))["blocked dnc.registries"] == 1


async def test_registries_are_shown_with_their_age_expiry_and_who_demands_them(
    db: Database, clock: ManualClock, tmp_path: Path
) -> None:
    await load(db, clock, registry_file(tmp_path, ["2125550142"]), age_days=10)
    await load(db, clock, registry_file(tmp_path, ["2125550142"]), name="litigators")
    async with db.connection() as tx:
        other, national = await registry_standing.standings(tx, BOOK, clock.now())
    assert (other.name, other.expires_at, other.demands, other.fault(clock.now())) == (
        "litigators",
        None,
        (),
        "",
    )
    age = national.age(clock.now())
    assert age is not None
    assert age.days == 10
    assert national.copy is not None
    assert national.expires_at == national.copy.as_of + timedelta(days=31)
    assert [one.rule_id for one in national.demands] == ["US.registry"]
    assert national.fault(clock.now()) == ""
    assert "31" in national.fault(clock.now() + timedelta(days=22))


async def test_a_load_tells_how_far_it_is(db: Database, clock: ManualClock, tmp_path: Path) -> None:
    file = registry_file(tmp_path, [f"212555{n:04}" for n in range(100)])
    seen: list[registries.Progress] = []
    order = registries.Order(NAME, clock.now())
    await registries.load(
        db, clock, BOOK, [file], order, actor="x", watch=lambda at: seen.append(dataclasses.replace(at))
    )
    assert {one.total for one in seen} == {1100}
    assert [one.done for one in seen] == sorted(one.done for one in seen)
    assert (seen[-1].done, seen[-1].rows, seen[-1].doing) == (1100, 100, "tidying up")
