"""Fixtures for all tests."""

import gc
import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

# CI repeats what it ran before: new examples are for people who are there to look at them.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")


@pytest.fixture(autouse=True)
def collecting() -> Iterator[None]:
    """`build` stops the garbage collector for the rest of its process; tests go on."""
    yield
    gc.enable()
