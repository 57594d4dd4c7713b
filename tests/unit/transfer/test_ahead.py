"""Work that goes on in threads comes back in order, ends early, and tells what went wrong."""

import threading

import pytest

from labmon.transfer.ahead import THREADS, ahead


def test_pieces_come_back_in_order_though_later_ones_are_ready_first():
    second_is_done = threading.Event()

    def work(number):
        if number == 0:
            assert second_is_done.wait(30)
        if number == 1:
            second_is_done.set()
        return number * number

    assert list(ahead(work, range(10))) == [number * number for number in range(10)]


def test_no_more_is_read_than_is_worked_on():
    taken = []

    def pieces():
        for number in range(100):
            taken.append(number)
            yield number

    found = ahead(str, pieces())
    assert next(found) == "0"
    found.close()
    assert len(taken) == THREADS + 1


def test_what_goes_wrong_is_raised_where_it_is_used():
    found = ahead(lambda number: 1 // number, [1, 0, 1])
    assert next(found) == 1
    with pytest.raises(ZeroDivisionError):
        next(found)
