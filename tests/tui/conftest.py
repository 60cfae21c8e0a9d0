"""Homes with recorded runs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from recorded_home import Home, filled


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A home that tests only look at."""
    home = filled(tmp_path_factory.mktemp("home"))
    yield home
    home.client.close()


@pytest.fixture
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A home that a test may change."""
    home = filled(tmp_path_factory.mktemp("own"))
    yield home
    home.client.close()
