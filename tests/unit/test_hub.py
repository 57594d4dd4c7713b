import numpy as np
import pytest

from labmon import hub as hub_module
from labmon.hub import Event, Hub
from labmon.paths import Selection
from labmon.reading import ArrayBatch, Batch

EVERYTHING = Selection(("**",))


def batch(*paths):
    return Batch("test", 1, paths, (1.0,) * len(paths), bytes(len(paths)))


@pytest.fixture
def recorded():
    return []


@pytest.fixture
def hub(recorded):
    return Hub("node", 7, recorded.append)


async def test_every_reading_gets_a_number_of_its_own(hub, recorded):
    hub.publish(batch("a/1", "a/2"))
    hub.publish(batch("b/1"))
    assert [(b.seq, b.last_seq) for b in recorded] == [(1, 2), (3, 3)]
    assert hub.last_seq == 3


async def test_a_subscription_gets_what_it_selects(hub):
    subscription = hub.subscribe(Selection(("a/*",)))
    hub.publish(batch("a/1", "b/1"))
    hub.publish(batch("b/1"))
    await subscription.ready()
    taken = subscription.take()
    assert [b.seq for b in taken.batches] == [1]
    assert not taken.skipped
    assert subscription.take().batches == []


async def test_a_slow_subscription_loses_the_oldest_and_knows_how_many(hub, recorded):
    subscription = hub.subscribe(EVERYTHING, limit_readings=4)
    for _ in range(5):
        hub.publish(batch("a/1", "a/2"))
    taken = subscription.take()
    assert [b.seq for b in taken.batches] == [7, 9]
    assert taken.skipped == {"a/1": 3, "a/2": 3}
    assert len(recorded) == 5


async def test_events_reach_every_subscription_until_it_leaves(hub):
    subscription = hub.subscribe(EVERYTHING)
    hub.announce(Event("device", {"name": "gauge"}))
    await subscription.ready()
    assert [e.data["name"] for e in subscription.take().events] == ["gauge"]
    hub.unsubscribe(subscription)
    hub.unsubscribe(subscription)
    hub.announce(Event("bye", {}))
    assert subscription.take().events == []


async def test_memory_answers_what_came_after_a_number(hub):
    for _ in range(3):
        hub.publish(batch("a/1", "a/2"))
    assert [b.seq for b in hub.since(0)] == [1, 3, 5]
    assert [b.seq for b in hub.since(3)] == [3, 5]
    assert [b.seq for b in hub.since(4)] == [5]
    assert hub.since(6) == []


async def test_memory_says_when_it_does_not_go_back_so_far(hub, monkeypatch):
    monkeypatch.setattr(hub_module, "RECENT_READINGS", 4)
    for _ in range(3):
        hub.publish(batch("a/1", "a/2"))
    assert hub.since(1) is None
    assert [b.seq for b in hub.since(2)] == [3, 5]


async def test_who_is_notified_hears_once_until_what_waits_is_taken(hub):
    told = []
    subscription = hub.subscribe(EVERYTHING, notify=lambda: told.append(hub.last_seq))
    hub.publish(batch("a/1"))
    hub.publish(batch("a/1"))
    assert told == [1]
    assert len(subscription.take().batches) == 2
    hub.publish(batch("a/1"))
    assert told == [1, 3]


async def test_viewers_have_their_turn_before_the_store(hub, recorded):
    seen: list[int] = []
    hub.subscribe(EVERYTHING, notify=lambda: seen.append(len(recorded)))
    hub.publish(batch("a/1"))
    assert (seen, len(recorded)) == ([0], 1)


async def test_who_selects_nothing_gets_events_alone(hub):
    subscription = hub.subscribe(Selection(()))
    hub.publish(batch("a/1"))
    hub.announce(Event("bye", {}))
    taken = subscription.take()
    assert (taken.batches, len(taken.events)) == ([], 1)


def array(path, samples):
    return ArrayBatch("adc", (path,), np.arange(samples) + 1, np.zeros(samples))


async def test_what_was_taken_makes_room_again(hub):
    subscription = hub.subscribe(EVERYTHING, limit_readings=4)
    for _ in range(3):
        hub.publish(batch("a/1", "a/2"))
        hub.publish(batch("a/1", "a/2"))
        taken = subscription.take()
        assert len(taken.batches) == 2
        assert not taken.skipped


async def test_samples_that_are_lost_are_counted_each(hub):
    subscription = hub.subscribe(EVERYTHING, limit_readings=4)
    hub.publish(array("adc/in", 1000))
    hub.publish(batch("a/1"))
    assert subscription.take().skipped == {"adc/in": 1000}


async def test_who_has_left_is_offered_nothing_more(hub):
    subscription = hub.subscribe(EVERYTHING)
    hub.unsubscribe(subscription)
    hub.publish(batch("a/1"))
    assert subscription.take().batches == []
