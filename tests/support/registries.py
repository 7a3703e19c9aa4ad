"""Registries for tests: a rulebook that demands one of everybody, and files of it."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from campaign.domain.rulebook import Rulebook, parse_rulebook
from campaign.flow import registries
from campaign.flow.registries import Order
from campaign.store.database import Database
from campaign.store.registries import Version
from tests.support.clock import ManualClock

NAME = "us-national-dnc"
DEMANDING = """
[[pack]]
id = "US"
match = { country = "US" }
version = "1"

  [[pack.rule]]
  id = "US.registry"
  kind = "registry"
  registry = "us-national-dnc"
  max_age_days = 31
  lifted_by = ["express_written"]
  status = "in_force"
  effective_from = 2005-01-01
  source = { cite = "a test", read_on = 2026-11-21 }
"""


def demanding() -> Rulebook:
    """One pack with one rule: calls to the US need a copy of the registry of at most 31 days."""
    return parse_rulebook({"us.toml": DEMANDING})


def registry_file(folder: Path, numbers: Iterable[str], name: str = "registry.txt") -> Path:
    """A file of ten-digit numbers, one a line."""
    path = folder / name
    path.write_text("".join(f"{number}\n" for number in numbers))
    return path


async def load(
    db: Database,
    clock: ManualClock,
    *paths: Path,
    age_days: float = 1,
    rulebook: Rulebook | None = None,
    **order: Any,
) -> Version:
    """Load files as a copy that is so many days old."""
    as_of: datetime = clock.now() - timedelta(days=age_days)
    wanted = Order(**{"name": NAME, "as_of": as_of, **order})
    return await registries.load(db, clock, rulebook or demanding(), paths, wanted, actor="cli:ana")


async def change(
    db: Database, clock: ManualClock, *paths: Path, age_days: float = 0, **order: Any
) -> Version:
    """Apply change lists of a date so many days ago."""
    wanted = Order(**{"name": NAME, "as_of": clock.now() - timedelta(days=age_days), **order})
    return await registries.apply_changes(db, clock, demanding(), paths, wanted, actor="cli:ana")
