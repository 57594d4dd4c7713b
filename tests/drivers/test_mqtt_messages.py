"""What `mqtt` makes of settings, pointers and payloads; no broker is asked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labmon_drivers._smart_devices import EspHome, Tasmota
from labmon_drivers._topics import MISSING, Route, Routes, TopicChannel, at
from labmon_drivers.mqtt import Mqtt
from labmon_drivers.protocols.mqtt import Address, Message


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"broker": "http://x", "tasmota": "t"}, "no mqtt://"),
        ({"broker": "mqtt://me:pw@x", "tasmota": "t"}, "login"),
        ({"broker": "x"}, "one of tasmota"),
        ({"broker": "x", "tasmota": "t", "esphome": "e"}, "one of tasmota"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, match):
    with pytest.raises(ValueError, match=match):
        Mqtt(**settings)


def test_channels_that_make_no_sense_are_refused():
    for keys in ({"topic": "a/+/b"}, {"set_topic": "a/#"}, {"topic": "a", "pointer": "a"}):
        with pytest.raises(ValueError, match=r"several topics|begins with"):
            TopicChannel(**keys)
    assert Address.parse("mqtts://x").port == 8883


@given(
    st.text(max_size=40), st.recursive(st.none() | st.floats() | st.text(), st.lists, max_leaves=5)
)
def test_pointers_lead_somewhere_or_nowhere(pointer, document):
    assert at({"x": document}, "/x") == document or document != document
    at(document, pointer)
    assert at([1], "/1") is MISSING


@given(st.binary(max_size=200))
def test_any_payload_is_a_reading_or_none(payload):
    number, truth = TopicChannel(topic="t"), TopicChannel(topic="t", type="boolean", pointer="/a")
    routes = Routes([Route("t", "", "n", number), Route("t", "/a", "b", truth)], {})
    for value in routes.readings(Message(0, "t", payload, False)).values():
        assert value.value is None or isinstance(value.value, float)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
        max_leaves=20,
    )
)
def test_any_document_of_a_device_is_looked_through(document):
    Tasmota("t", 2).found(document)
    Tasmota("t", 2).found({"StatusSNS": document})
    EspHome("n").found("homeassistant/sensor/n/x/config", document)
