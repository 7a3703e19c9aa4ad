"""Every test of a conversation ends with one invariant."""

from collections.abc import Iterator

import pytest

from tests.support import talking


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    yield
    talking.nothing_is_left()
