"""A reserve on the disk that is given up when that is full, and made again when it is not."""

import pytest

from labmon.datastream.backends import ballast
from labmon.datastream.backends.ballast import Ballast

SIZE = 100_000


@pytest.fixture
def file(tmp_path):
    return tmp_path / "labmon.db.ballast"


def test_it_takes_real_room_and_gives_it_up_once(file):
    reserve = Ballast(file, SIZE)
    assert reserve.refill()
    assert not reserve.refill()
    assert file.stat().st_size == SIZE
    assert file.stat().st_blocks * 512 >= SIZE, "a file with holes takes no room"
    assert reserve.give_up()
    assert reserve.is_given_up
    assert not file.exists()
    assert not reserve.give_up(), "there is nothing more to give"
    assert reserve.refill()
    assert not reserve.is_given_up


def test_it_does_not_fill_the_disk_itself(file, monkeypatch):
    reserve = Ballast(file, SIZE)
    monkeypatch.setattr(ballast, "ROOM", 1 << 40)
    assert not reserve.refill()
    assert not file.exists()


def test_one_of_an_earlier_start_is_as_good(file):
    Ballast(file, SIZE).refill()
    assert Ballast(file, SIZE).give_up()
