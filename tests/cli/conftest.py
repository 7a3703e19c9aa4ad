"""The command line in this process, on a fresh database."""

import asyncio
import os
import shlex
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from campaign.cli import common
from campaign.cli.app import build
from campaign.store.database import Database
from tests.support.campaigns import SAMPLES

Run = Callable[..., Result]
OnDb = Callable[[Callable[[Database], Awaitable[Any]]], Any]


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables as wide as they like: the console asks for the terminal's width only once, when it is made."""
    monkeypatch.setattr(common.out, "width", 200)


@pytest.fixture
def cli(db_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command line; fails the test when its exit code is not the expected one (None: any but 0)."""
    for name in os.environ:
        if name.startswith(("TWILIO_", "LLM_", "CAMPAIGN_", "PUBLIC_URL")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("DATABASE_URL", db_url)
    monkeypatch.setenv("CAMPAIGN_DATA_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for sample in SAMPLES.glob("*.toml"):
        (tmp_path / sample.name).write_text(sample.read_text())

    def run(line: str, code: int | None = 0) -> Result:
        words = shlex.split(line)
        result = CliRunner().invoke(build(words[0]), words)
        assert result.exit_code == code or (code is None and result.exit_code), result.output
        return result

    return run


@pytest.fixture
def on_db(db_url: str) -> OnDb:
    """Runs some work on the same database."""

    def run(work: Callable[[Database], Awaitable[Any]]) -> Any:
        async def opened() -> Any:
            db = Database(db_url)
            try:
                return await work(db)
            finally:
                await db.close()

        return asyncio.run(opened())

    return run
