"""Bodies in packs: found by their numbers whatever is removed, and their room given back."""

import sqlite3
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labmon.datastream.backends import sqlite_packs as packs
from labmon.datastream.backends.sqlite_packs import PACK_BYTES, Body


@pytest.fixture
def connection():
    with opened() as connection:
        yield connection


def opened():
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute(
        "CREATE TABLE bodies (id INTEGER PRIMARY KEY, owner INTEGER NOT NULL, body BLOB NOT NULL)"
    )
    return closing(connection)


def read(connection, number):
    row = connection.execute(
        f"SELECT id, owner, body FROM bodies WHERE id = ({packs.ROW_OF} ?)", (number,)
    ).fetchone()
    return None if row is None else packs.find(number, row[0], Body(*row[1:]))


def rows(connection):
    return connection.execute("SELECT id, length(body) FROM bodies ORDER BY id").fetchall()


def bodies(*lengths):
    return [Body(i, bytes([i + 1]) * length) for i, length in enumerate(lengths)]


def test_small_bodies_share_a_row_and_long_ones_do_not(connection):
    some = bodies(1000, 2000, PACK_BYTES - 3000, 1, PACK_BYTES, PACK_BYTES + 1, 5)
    assert packs.write(connection, some) == range(1, 8)
    assert [number for number, _ in rows(connection)] == [3, 4, 5, 6, 7]
    assert [read(connection, number) for number in range(1, 8)] == some
    assert read(connection, 8) is None
    assert packs.write(connection, bodies(3)) == range(8, 9)


def test_a_body_alone_stands_as_it_is(connection):
    packs.write(connection, [Body(7, b"LMBK...")])
    assert connection.execute("SELECT * FROM bodies").fetchall() == [(1, 7, b"LMBK...")]


def test_room_is_given_back_when_most_of_a_pack_is_gone(connection):
    some = bodies(*[3000] * 8)
    packs.write(connection, some)
    ((last, whole),) = rows(connection)
    packs.remove(connection, [1, 3, 8])
    assert rows(connection) == [(last, whole)]
    packs.remove(connection, [2, 4])
    assert rows(connection) == [(last, whole - 5 * 3000)]
    left = {5: some[4], 6: some[5], 7: some[6]}
    assert {n: found for n in range(1, 9) if (found := read(connection, n))} == left
    packs.remove(connection, [5, 6, 7])
    assert rows(connection) == []


def test_numbers_that_are_not_there_remove_nothing(connection):
    packs.write(connection, bodies(10, 20))
    packs.write(connection, bodies(30))
    packs.remove(connection, [2])
    before = connection.execute("SELECT * FROM bodies").fetchall()
    packs.remove(connection, [0, 2, 4, -1])
    assert connection.execute("SELECT * FROM bodies").fetchall() == before
    assert read(connection, 0) is None
    assert read(connection, 2) is None


def test_a_number_is_not_given_to_another_body_while_its_pack_is_there(connection):
    packs.write(connection, bodies(10, 20, 30))
    packs.remove(connection, [1, 3])
    assert packs.write(connection, bodies(1)) == range(4, 5)


@pytest.mark.parametrize("at", range(8 + 3 * 9))
def test_nothing_is_removed_from_a_pack_whose_directory_is_damaged(connection, at):
    some = bodies(10, 20, 30)
    packs.write(connection, some)
    (data,) = connection.execute("SELECT body FROM bodies").fetchone()
    damaged = bytearray(data)
    damaged[at] ^= 0x40
    connection.execute("UPDATE bodies SET body = ?", (damaged,))
    for number in (1, 2, 3):  # what is found there is another body: its owner or checksum says so
        read(connection, number)
    if 4 <= at < 8 or (at - 8) % 9 >= 4:  # where it can be seen
        packs.remove(connection, [1, 2])
        assert connection.execute("SELECT body FROM bodies").fetchone()[0] == damaged


@given(st.data())
def test_packs_equal_a_dict(data):
    with opened() as connection:
        there: dict[int, Body] = {}
        for step in range(data.draw(st.integers(1, 8))):
            lengths = data.draw(st.lists(st.sampled_from([0, 1, 900, 9000, 40_000]), max_size=12))
            some = [Body(step * 100 + i, bytes([i]) * n) for i, n in enumerate(lengths)]
            there.update(zip(packs.write(connection, some), some, strict=True))
            gone = data.draw(st.lists(st.integers(0, 60)))
            packs.remove(connection, gone)
            there = {number: body for number, body in there.items() if number not in gone}
        for number in range(100):
            assert read(connection, number) == there.get(number)
        stored = sum(length for _, length in rows(connection))
        assert stored <= 2 * sum(len(body.data) for body in there.values()) + 100 * 100
