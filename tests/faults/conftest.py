"""A store that is looked after only where the test says so."""

import pytest

from labmon.datastream import care


@pytest.fixture
def nobody_looks_after_it(monkeypatch):
    """Every five seconds it would do so by itself, which on a slow machine is within the test."""
    monkeypatch.setattr(care, "IDLE_S", 3600.0)
