"""A folder for a house, and a database for as long as a module's tests look at one run of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from campaign.store.embedded import Attachment
from tests.conftest import Admin, fresh_database
from tests.support.house import open_folder


@pytest.fixture(scope="module")
def module_db_url(server: Attachment, maker: Admin) -> Iterator[str]:
    """The address of a database with the whole schema, dropped after the module's last test."""
    yield from fresh_database(server, maker)


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where a house keeps its files."""
    with open_folder() as place:
        yield place
