"""The migrations make exactly the tables that the models describe, forwards and backwards."""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from campaign.domain.errors import Conflict, DatabaseUnavailable, SchemaMismatch
from campaign.store import migrate
from campaign.store.database import Database, engine_url
from campaign.store.models import metadata

REPOSITORY = Path(__file__).parents[2]
VERSIONS = sorted((REPOSITORY / "migrations" / "versions").glob("*.py"))
OURS = """
    SELECT namespace.nspname || '.' || relation.relname
    FROM pg_class AS relation JOIN pg_namespace AS namespace ON namespace.oid = relation.relnamespace
    WHERE namespace.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
    UNION ALL SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_.*|information_schema|public)$'
    UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    UNION ALL SELECT typname FROM pg_type WHERE typtype IN ('d', 'e') AND typnamespace = 2200
"""


def ask(address: str, statement: str) -> list[str]:
    """The first column of what a statement returns, sorted."""
    engine = sa.create_engine(engine_url(address), poolclass=sa.NullPool)
    with engine.connect() as connection:
        return sorted(connection.execute(sa.text(statement)).scalars())


def alembic(*arguments: str, database_url: str | None = None) -> "subprocess.CompletedProcess[str]":
    """The command as a developer runs it, in the repository's root."""
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    if database_url is not None:
        environment["DATABASE_URL"] = database_url
    return subprocess.run(
        [sys.executable, "-m", "alembic", *arguments],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_migrations_make_what_the_models_say(db_url: str) -> None:
    engine = sa.create_engine(engine_url(db_url), poolclass=sa.NullPool)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        assert compare_metadata(context, metadata) == []


def test_checks_and_comments_are_the_models_too(db_url: str, empty_url: str) -> None:
    """Alembic's comparison does not look at them."""
    engine = sa.create_engine(engine_url(empty_url), poolclass=sa.NullPool)
    with engine.begin() as connection:
        metadata.create_all(connection)
    checks = """SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid)
                FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype IN ('c', 'f')"""
    comments = """SELECT objoid::regclass || ' ' || objsubid || ' ' || description
                  FROM pg_description JOIN pg_class ON pg_class.oid = objoid
                  WHERE classoid = 'pg_class'::regclass AND relnamespace = 'public'::regnamespace"""
    indexes = "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
    for facts in (checks, comments, indexes):
        assert ask(db_url, facts) == ask(empty_url, facts)


def test_down_to_nothing_leaves_nothing_and_up_again_works(empty_url: str) -> None:
    before = ask(empty_url, OURS)
    migrate.upgrade(empty_url)
    made = ask(empty_url, OURS)
    migrate.downgrade(empty_url, "base")
    assert ask(empty_url, OURS) == sorted([*before, "public.alembic_version", "public.alembic_version_pkc"])
    assert migrate.current(empty_url) is None
    migrate.upgrade(empty_url)
    assert ask(empty_url, OURS) == made
    assert migrate.current(empty_url) == migrate.head()


def test_every_step_goes_down_and_up_again_by_itself(empty_url: str) -> None:
    for _ in VERSIONS:
        migrate.upgrade(empty_url, "+1")
        made = ask(empty_url, OURS)
        migrate.downgrade(empty_url, "-1")
        migrate.upgrade(empty_url, "+1")
        assert ask(empty_url, OURS) == made
    assert migrate.current(empty_url) == migrate.head()


def test_every_constraint_and_index_has_a_name_of_ours(db_url: str) -> None:
    unnamed = [
        f"{table.name}: {constraint!r}"
        for table in metadata.tables.values()
        for constraint in table.constraints
        if constraint.name is None
    ]
    assert unnamed == []
    constraints = """SELECT contype::text || ' ' || conrelid::regclass || ' ' || conname FROM pg_constraint
                     WHERE connamespace = 'public'::regnamespace AND contype IN ('c', 'f', 'p', 'u', 'x')
                     AND conrelid <> 'alembic_version'::regclass"""
    prefix = {"c": "ck", "f": "fk", "p": "pk", "u": "uq", "x": "ex"}
    for line in ask(db_url, constraints):
        kind, table, name = line.split(" ")
        assert name.startswith(f"{prefix[kind]}_{table}"), line
    indexes = (
        "SELECT indexname FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
    )
    assert [name for name in ask(db_url, indexes) if not re.match(r"(ix|uq|pk)_", name)] == []


@pytest.mark.parametrize("file", VERSIONS, ids=lambda file: file.stem)
def test_each_migration_bounds_its_wait_for_locks_and_goes_both_ways(file: Path) -> None:
    assert re.fullmatch(r"\d{4}_[a-z0-9_]+", file.stem)
    functions = {
        node.name: node for node in ast.parse(file.read_text()).body if isinstance(node, ast.FunctionDef)
    }
    for name in ("upgrade", "downgrade"):
        assert "SET LOCAL lock_timeout" in ast.unparse(functions[name].body[0]), f"{name} begins with it"
        assert len(functions[name].body) > 1, f"{name} does something"


def test_the_migrations_form_one_line() -> None:
    numbers = [file.stem.split("_")[0] for file in VERSIONS]
    assert numbers == [f"{place:04}" for place in range(1, len(VERSIONS) + 1)]
    assert migrate.head() == numbers[-1]


def test_two_upgrades_at_once_follow_each_other(empty_url: str) -> None:
    run = f"from campaign.store import migrate; migrate.upgrade({empty_url!r})"
    both = [subprocess.Popen([sys.executable, "-c", run], stderr=subprocess.PIPE) for _ in range(2)]
    assert [process.communicate()[1].decode() for process in both] == ["", ""]
    assert [process.returncode for process in both] == [0, 0]
    assert migrate.current(empty_url) == migrate.head()


def test_a_table_in_use_stops_the_migration_and_nothing_is_changed(db_url: str) -> None:
    url = engine_url(db_url)
    before = ask(db_url, OURS)
    with psycopg.connect(host=str(url.query["host"]), user=url.username, dbname=url.database) as other:
        other.execute("LOCK TABLE installation IN ACCESS SHARE MODE")
        with pytest.raises(Conflict, match=r"nothing was changed\. Run it again when the service is quiet"):
            migrate.downgrade(db_url, "base")
        other.rollback()
    assert ask(db_url, OURS) == before


async def test_the_codes_own_schema_is_accepted(db: Database) -> None:
    await migrate.require_current(db)


@pytest.mark.parametrize(
    ("at", "sentence"),
    [
        (None, r"schema is at no version, the code needs \d{4}\. Run: campaign db upgrade"),
        ("base", r"schema is at no version, the code needs \d{4}\. Run: campaign db upgrade"),
        (
            "9999",
            r"at 9999, which is newer than this code \(\d{4}\) and needs code of 9998 or newer\. Run the",
        ),
    ],
)
async def test_another_schema_is_refused_with_what_to_do(
    empty_url: str, at: str | None, sentence: str
) -> None:
    engine = sa.create_engine(engine_url(empty_url), poolclass=sa.NullPool)
    if at is not None:
        migrate.upgrade(empty_url)
    if at == "base":
        migrate.downgrade(empty_url, "base")
    elif at is not None:
        with engine.begin() as connection:
            connection.execute(sa.text("UPDATE alembic_version SET version_num = :at"), {"at": at})
            connection.execute(sa.text("UPDATE installation SET works_from = '9998'"))
    db = Database(empty_url)
    try:
        with pytest.raises(SchemaMismatch, match=sentence):
            await migrate.require_current(db)
    finally:
        await db.close()


@pytest.mark.parametrize("works_from", [revision.stem[:4] for revision in VERSIONS[3:]])
async def test_a_newer_schema_that_this_code_may_work_on_is_accepted(db: Database, works_from: str) -> None:
    async with db.transaction() as tx:
        await tx.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
        await tx.execute(sa.text("UPDATE installation SET works_from = :from"), {"from": works_from})
    await migrate.require_current(db)


def test_every_schema_says_which_code_may_work_on_it(empty_url: str) -> None:
    for file in VERSIONS:
        migrate.upgrade(empty_url, "+1")
        if file.stem[:4] >= "0005":
            (works_from,) = ask(empty_url, "SELECT works_from FROM installation")
            assert "0004" <= works_from <= file.stem[:4]


def test_a_server_that_is_away_is_named(empty_url: str) -> None:
    nowhere = engine_url(empty_url).set(database="nix").render_as_string()
    for run in (migrate.upgrade, migrate.current, lambda address: migrate.downgrade(address, "base")):
        with pytest.raises(DatabaseUnavailable, match=r"database nix cannot be used.*createdb"):
            run(nowhere)


def test_an_address_with_percent_signs_reaches_the_database(empty_url: str) -> None:
    migrate.upgrade(engine_url(empty_url).set(password="p%40%s").render_as_string(False))
    assert migrate.current(empty_url) == migrate.head()


def test_alembics_own_command_works_in_the_repository(empty_url: str) -> None:
    assert alembic("-x", f"url={empty_url}", "upgrade", "head").returncode == 0
    assert "(head)" in alembic("current", database_url=empty_url).stdout
    assert alembic("check", database_url=empty_url).returncode == 0
    assert "CREATE TABLE installation" in alembic("upgrade", "head", "--sql").stdout
    refused = alembic("upgrade", "head")
    assert refused.returncode == 1
    assert refused.stderr.startswith("No database named. Run: campaign db upgrade")


def test_the_service_knows_without_alembic_which_revisions_there_are() -> None:
    scripts = ScriptDirectory.from_config(migrate.config())
    assert migrate.head() == scripts.get_current_head()
    assert list(migrate.revisions()) == [one.revision for one in scripts.walk_revisions()][::-1]
    loads = "import sys, campaign.cli.serve; print('alembic' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", loads], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "False", "whoever serves carries it for ever"


def test_a_new_migration_starts_from_the_template_with_its_lock_timeout(tmp_path: Path) -> None:
    shutil.copytree(REPOSITORY / "migrations", tmp_path / "migrations")
    shutil.copy(REPOSITORY / "alembic.ini", tmp_path)
    made = subprocess.run(
        [sys.executable, "-m", "alembic", "revision", "--rev-id", "9999", "-m", "What it does"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    text = (tmp_path / "migrations" / "versions" / "9999_what_it_does.py").read_text()
    assert text.startswith('"""What it does\n\nRevision ID: 9999\nRevises: ')
    assert text.count("op.execute(\"SET LOCAL lock_timeout = '5s'\")") == 2


def test_an_installed_wheel_finds_the_migrations_inside_the_package(tmp_path: Path) -> None:
    skip = shutil.ignore_patterns("__pycache__")
    shutil.copytree(REPOSITORY / "campaign", tmp_path / "campaign", ignore=skip)
    shutil.copytree(REPOSITORY / "migrations", tmp_path / "campaign" / "_migrations", ignore=skip)
    done = subprocess.run(
        [
            sys.executable,
            "-P",
            "-c",
            "from campaign.store import migrate as m; print(m.migrations_dir(), m.head())",
        ],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [str(tmp_path / "campaign" / "_migrations"), migrate.head()]
