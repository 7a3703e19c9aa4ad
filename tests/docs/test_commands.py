"""README and docs as their readers use them: what is marked to run is run, everything else must exist.

A block behind `<!-- run -->` is run: shell blocks line by line as a user types them (embedded PostgreSQL,
nobody is called), Python and SQL as they stand. In every other shell block each `campaign` command and each
of its options must be one that there is. A trailing comment "# ends with 3" names an exit code that is meant.
"""

import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
import typer

from campaign.cli.app import build
from campaign.settings import process_environment
from tests.support.house import House

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md")])
_BLOCK = re.compile(r"(<!-- run -->\s*\n)?^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"# ends with (\d+)")
SAMPLE_LIST = ("contacts", "import", str(ROOT / "contacts.sample.csv"), "--list", "sample", "--region", "US")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: Path
    language: str
    text: str
    runs: bool
    line: int

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    def commands(self) -> Iterator[str]:
        """The lines of a shell block that are commands; a line that ends in a backslash goes on."""
        for line in self.text.replace("\\\n", " ").splitlines():
            if line.strip() and not line.lstrip().startswith("#"):
                yield line.strip()


def blocks(page: Path) -> list[Block]:
    text = page.read_text()
    return [
        Block(page, found[2], found[3], found[1] is not None, text.count("\n", 0, found.start()) + 1)
        for found in _BLOCK.finditer(text)
    ]


BLOCKS = [block for page in PAGES for block in blocks(page)]
SHELL = [block for block in BLOCKS if block.language == "sh"]


def campaign(*words: str, environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "campaign", *words],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


# ── what is run ────────────────────────────────────────────────────────────────────────────────────────


def test_every_marked_block_is_of_a_kind_that_a_test_runs() -> None:
    kinds = {(block.page.name, block.language) for block in BLOCKS if block.runs}
    assert kinds == {
        ("README.md", "sh"),
        ("console.md", "sh"),
        ("rules.md", "sh"),
        ("writing-scripts.md", "sh"),
        ("packs.md", "sh"),
        ("do-not-call.md", "sh"),
        ("records.md", "sh"),
        ("analysts.md", "sql"),
        ("analysts.md", "python"),
        ("api.md", "python"),
        ("webhooks.md", "python"),
    }


@pytest.mark.timeout(900)
def test_the_commands_of_the_readme_and_then_of_the_docs_work_in_their_order() -> None:
    """As a new user: nothing set but a data directory, so the embedded PostgreSQL."""
    # Not pytest's own temporary directory: the server's user may not enter it when root runs the tests.
    place = Path(tempfile.mkdtemp(prefix="campaign-docs-"))
    place.chmod(0o755)
    environment = process_environment({"CAMPAIGN_DATA_DIR": str(place), "COLUMNS": "100"}, hermetic=True)
    try:
        # The samples name the list "sample", which the text before them tells to make.
        assert campaign(*SAMPLE_LIST, environment=environment).returncode == 0
        for block in SHELL:
            if block.runs:
                for line in block.commands():
                    meant = _CODE.search(line)
                    words = shlex.split(line, comments=True)
                    assert words[0] == "campaign", f"{block}: {line}"
                    done = campaign(*words[1:], environment=environment)
                    assert done.returncode == int(meant[1] if meant else 0), (
                        f"{block}: {line}\n{done.stdout}{done.stderr}"
                    )
                    assert "Traceback" not in done.stderr
    finally:
        shutil.rmtree(place, ignore_errors=True)


@pytest.mark.timeout(900)
def test_the_python_of_the_docs_works_and_the_recipes_answer(db_url: str, tmp_path: Path) -> None:
    house = House(tmp_path, db_url, rate=20, cps=5)
    # the tour of the API makes the campaign that the others ask about
    examples = [block for block in BLOCKS if block.runs and block.language == "python"]
    examples.sort(key=lambda block: block.page.name != "api.md")
    recipes = [block for block in BLOCKS if block.runs and block.language == "sql"]
    assert examples
    assert recipes
    with house.simulator("--by-digits"), house.service():
        house.run(*SAMPLE_LIST)
        house.run("create", str(ROOT / "docs/samples/minimal.toml"), "--start")
        key = house.run("keys", "create", "docs", "--role", "operator").stdout.strip()
        for block in examples:
            program = tmp_path / "example.py"
            program.write_text(block.text)
            done = subprocess.run(
                [sys.executable, str(program)],
                cwd=ROOT,
                env={**house.environment, "SERVICE_URL": house.url, "API_KEY": key},
                capture_output=True,
                text=True,
                timeout=300,
            )
            assert done.returncode == 0, f"{block}: {done.stdout}{done.stderr}"
            assert block.page.name != "api.md" or "54 taken, 3 rejected" in done.stdout
    url = sa.make_url(db_url)
    with psycopg.connect(
        host=str(url.query["host"]), port=str(url.query["port"]), user=url.username, dbname=url.database
    ) as connection:
        for block in recipes:
            cursor = connection.execute(block.text.encode())
            assert cursor.description, str(block)
            if "analytics.campaigns" in block.text:
                assert {row[0] for row in cursor.fetchall()} == {"Minimal", "Autumn appointments"}


# ── what must exist ────────────────────────────────────────────────────────────────────────────────────

COMMANDS: Any = typer.main.get_command(build())
_OPERATORS = frozenset({"&&", ";", "|", "||", ">"})


def faults_of(words: list[str]) -> Iterator[str]:
    """What is unknown in the words of one `campaign` command."""
    here: Any = COMMANDS
    rest = list(words)
    while rest and hasattr(here, "commands"):
        if rest[0].startswith("-"):
            break
        name = rest.pop(0)
        if name not in here.commands:
            yield f"there is no command {name!r}"
            return
        here = here.commands[name]
    known = {option for parameter in here.params for option in (*parameter.opts, *parameter.secondary_opts)}
    for word in rest:
        option = word.split("=", 1)[0]
        if option.startswith("-") and option not in known | {"--help"}:
            yield f"{here.name} has no option {option!r}"


def commands_in(line: str) -> Iterator[list[str]]:
    """The `campaign` commands of a shell line."""
    words = shlex.split(line, comments=True)
    current: list[str] = []
    for word in [*words, ";"]:
        if word in _OPERATORS:
            if current[:1] == ["campaign"]:
                yield current[1:]
            current = []
        else:
            current.append(word)


@pytest.mark.parametrize("block", SHELL, ids=str)
def test_every_command_in_the_docs_exists_with_its_options(block: Block) -> None:
    found = [
        f"{line}: {fault}"
        for line in block.commands()
        for words in commands_in(line)
        for fault in faults_of(words)
    ]
    assert not found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_named_in_the_text_exists(page: Path) -> None:
    text = _BLOCK.sub("", page.read_text())
    for found in re.finditer(r"`campaign ([^`]*)`", text):
        words = found[1].replace("…", "").split()
        if words and words[0].islower():
            plain = [word for word in words if not re.search(r"[|\[]", word)]
            assert not list(faults_of(plain)), found[0]


def test_every_command_teaches() -> None:
    def walk(command: Any, name: str) -> Iterator[tuple[str, Any]]:
        yield name, command
        for key, child in getattr(command, "commands", {}).items():
            yield from walk(child, f"{name} {key}")

    for name, command in walk(COMMANDS, "campaign"):
        assert command.help, name
        for parameter in command.params:
            if parameter.name != "help":
                assert getattr(parameter, "help", None), f"{name}: {parameter.name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    text = page.read_text()
    for target in re.findall(r"\]\(([^)\s]+)\)", _BLOCK.sub("", text)):
        if not re.match(r"[a-z]+:|#", target):
            assert (page.parent / target.split("#")[0]).exists(), f"{page.name}: {target}"


def test_no_file_names_a_machine_or_a_package_host() -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split("\0")
    files = [ROOT / name for name in tracked if name]
    if not files:  # a copy without its history
        files = [p for p in ROOT.rglob("*") if p.is_file() and not {".venv", ".git"} & set(p.parts)]
    # Put together here, so that this file passes its own test.
    banned = re.compile(
        "|".join(
            [
                "/" + "work/",
                "/home/" + "[a-z]",
                r"py" + r"pi\.org",
                "files.python" + "hosted",
                "reg" + "istry.npm",
            ]
        )
    )
    for path in files:
        if path.is_file() and path.suffix not in (".png", ".ico", ".woff2"):
            found = banned.search(path.read_text(errors="replace"))
            assert found is None, f"{path.relative_to(ROOT)}: {found and found[0]}"
