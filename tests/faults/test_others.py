"""What the tests compute is not laid to others, and what others compute is."""

import subprocess
import sys

from tests.faults import others
from tests.faults.others import Others

BURN = "import time\nwhile time.process_time() < {}: pass"


def burn(seconds):
    subprocess.run([sys.executable, "-c", BURN.format(seconds)], check=True)


def test_what_a_child_computes_is_our_own():
    began_s = others._own_s()
    burn(0.3)
    assert others._own_s() - began_s >= 0.29


def test_the_less_the_others_leave_the_longer_things_may_take(monkeypatch):
    machine = [(100.0, 50.0), (110.0, 50.0), (110.0, 55.0), (110.0, 59.0), (110.0, 60.0)]
    monkeypatch.setattr(others, "_machine_s", lambda: machine.pop(0))
    monkeypatch.setattr(others, "_own_s", lambda: 1.0)
    beside = Others()
    assert [round(beside.slowdown(), 2) for _ in range(4)] == [1.0, 2.0, 10.0, others.MOST]


def test_what_we_compute_slows_nothing_down(monkeypatch):
    machine, own = [(0.0, 0.0), (10.0, 8.0)], [0.0, 8.0]
    monkeypatch.setattr(others, "_machine_s", lambda: machine.pop(0))
    monkeypatch.setattr(others, "_own_s", lambda: own.pop(0))
    assert Others().slowdown() == 1.0
