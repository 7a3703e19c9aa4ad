"""Versions of the data by which rules are read: the same facts and packs may mean another hour or another
place under other data, so each kept decision names them."""

from functools import cache
from importlib.metadata import version

PACKAGES = ("tzdata", "phonenumbers", "holidays")


@cache
def made_with() -> str:
    """For example "tzdata 2026.6, phonenumbers 9.0.43, holidays 0.108"."""
    return ", ".join(f"{name} {version(name)}" for name in PACKAGES)
