"""A folder for a house, and a database for as long as a module's tests look at one run of it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from campaign.store.embedded import Attachment
from tests.conftest import TEMPLATE, address_of, admin, create_database
from tests.support.house import open_folder

NAME = f"whole_house_{os.getpid()}"


@pytest.fixture(scope="module")
def module_db_url(server: Attachment) -> Iterator[str]:
    """The address of a database with the whole schema, dropped after the module's last test."""
    with admin(server) as connection:
        create_database(connection, NAME, TEMPLATE)
    yield address_of(server, NAME)
    with admin(server) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)")


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where a house keeps its files."""
    with open_folder() as place:
        yield place
