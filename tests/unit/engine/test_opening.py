"""What is no store, and a store on another event loop, is said at once and in words."""

import asyncio

import pytest

from labmon import datastream
from labmon.datastream.exceptions import StoreNotOpen


@pytest.mark.parametrize("url", [None, 5, b"memory:", "", "data/labmon.db", "redis://host"])
def test_what_is_no_address_is_refused_with_those_that_are(url):
    with pytest.raises(ValueError, match=r"is no store: use sqlite:///data/labmon.db"):
        datastream.open(url)


def test_a_store_is_used_on_the_event_loop_on_which_it_was_opened():
    store = datastream.open("memory:")
    with asyncio.Runner() as runner:
        runner.run(store.start())
    with asyncio.Runner() as another, pytest.raises(StoreNotOpen, match="another event loop"):
        another.run(asyncio.wait_for(store.commit(), 30))
