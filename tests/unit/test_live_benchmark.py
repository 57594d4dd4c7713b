"""The benchmark of live delivery at a tiny size, so that it does not rot."""

import shutil
import sys

import pytest

from benchmarks import live, rounds

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="it compiles its viewers")


def test_it_measures_labmon_beside_the_loop_in_c(monkeypatch, capsys):
    options = ["--quick", "--rounds", "1", "--clients", "5", "--messages", "2"]
    without = ["--without", "tornadose,write_message,websockets"]
    monkeypatch.setattr(sys, "argv", ["live", *options, *without])
    live.main()
    told = capsys.readouterr().out
    for transport in live.TRANSPORTS:
        assert f"| {transport} | 5 | labmon |" in told
        assert f"| {transport} | 5 | sends in Python |" in told
        assert f"| {transport} | 5 | epoll in C |" in told
        assert f"Over {transport}, labmon's event loop was late by at most" in told


def test_the_page_has_its_place():
    assert "new words" in rounds.replaced(rounds.PAGE.read_text(), "live", "new words")
