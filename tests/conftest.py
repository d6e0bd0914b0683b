"""Fixtures for all tests."""

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def collecting() -> Iterator[None]:
    """`build` stops the garbage collector for the rest of its process; tests go on."""
    yield
    gc.enable()
