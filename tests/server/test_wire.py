import contextlib

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labmon.errors import BadRequestError
from labmon.web import wire
from labmon.web.cursor import Cursor
from labmon.web.encoders import sse_event, websocket_frame
from labmon.web.limits import Limits
from labmon.web.operation import Operation
from labmon.web.routes import API

LIMITS = Limits()
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc"), inner, max_size=4),
    max_leaves=20,
)


@given(json_values)
def test_what_is_encoded_is_decoded_the_same(value):
    for fmt in ("json", "msgpack"):
        assert wire.decode(wire.encode(value, fmt), fmt, LIMITS) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_a_value_or_a_bad_request(data):
    for fmt in ("json", "msgpack"):
        try:
            value = wire.decode(data, fmt, LIMITS)
        except BadRequestError:
            continue
        wire.encode(value, "json")
        wire.encode(value, "msgpack")


@pytest.mark.parametrize(
    "dtype", ["f8", "f4", "i8", "i4", "i2", "i1", "u1", "u2", "u4", "u8", ">f8"]
)
def test_columns_travel_as_arrays(dtype):
    column = np.array([1, 2, 100], dtype)
    packed = msgpack.unpackb(wire.encode_msgpack({"v": column, "every_other": column[::2]}))
    np.testing.assert_array_equal(wire.decode_array(packed["v"].data), column)
    np.testing.assert_array_equal(wire.decode_array(packed["every_other"].data), column[::2])
    assert wire.encode_json({"v": column[::2]}) in {b'{"v":[1.0,100.0]}', b'{"v":[1,100]}'}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (float("nan"), b"null"),
        ([float("inf"), -float("inf")], b"[null,null]"),
        (np.array([1.5, np.nan]), b"[1.5,null]"),
        (np.float64(2.5), b"2.5"),
        (np.int64(7), b"7"),
        (2**63, b"9223372036854775808"),
        ({"a": 2**80}, b'{"a":1.2089258196146292e+24}'),
        ("\ud800", b'"?"'),
        ({1: "x"}, b'{"1":"x"}'),
        (10**400, b"null"),
        ({"s": {3, 1}}, b'{"s":[1,3]}'),
    ],
)
def test_json_holds_what_it_can(value, text):
    assert wire.encode_json(value) == text
    wire.encode_msgpack(value)


def test_a_deeply_nested_value_is_cut_and_breaks_nothing():
    value = []
    for _ in range(3000):
        value = [value]
    assert wire.encode_json(value)
    assert wire.encode_msgpack(value)


@pytest.mark.parametrize(
    ("accept", "fmt"),
    [
        ("", "json"),
        ("*/*", "json"),
        ("application/msgpack", "msgpack"),
        ("text/html, application/x-msgpack;q=0.9", "msgpack"),
        ("application/json, application/msgpack", "json"),
    ],
)
def test_the_format_is_negotiated(accept, fmt):
    assert wire.accepted(accept) == fmt


@given(st.text(max_size=300))
def test_any_text_is_a_cursor_or_a_bad_request(text):
    try:
        cursor = Cursor.parse(text)
    except BadRequestError:
        return
    assert Cursor.parse(str(cursor)) == cursor


def test_a_cursor_comes_back_as_it_was():
    cursor = Cursor("0123abcd", 7, 2**50, 1_764_244_800 * 10**9)
    assert Cursor.parse(str(cursor)) == cursor


@given(st.text())
def test_data_with_any_line_ends_is_one_event(text):
    event = sse_event("readings", text).decode("utf-8", "surrogatepass") if _is_utf8(text) else ""
    for line in event.split("\n")[:-1]:
        assert line == "" or line.startswith(("event: ", "data: "))
    assert event.count("\n\n") <= 1


def _is_utf8(text):
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


@pytest.mark.parametrize("length", [0, 1, 125, 126, 65535, 65536])
def test_frames_have_the_length_of_rfc_6455(length):
    frame = websocket_frame(b"x" * length, 2)
    assert frame[0] == 0x82
    head = 2 if length < 126 else 4 if length < 65536 else 10
    assert len(frame) == head + length
    if head > 2:
        assert int.from_bytes(frame[2:head], "big") == length


OPERATIONS = [operation for _, handler in API for operation in handler.operations.values()]
names = st.sampled_from(
    sorted({p.name for o in OPERATIONS for p in o.parameters} | {"tag.x", "tag.", "nonsense", ""})
)


@given(st.sampled_from(OPERATIONS), st.dictionaries(names, st.lists(st.binary(), min_size=1)))
def test_any_query_is_understood_or_a_bad_request(operation: Operation, query):
    with contextlib.suppress(BadRequestError):
        operation.read_query(query, 1_764_244_800 * 10**9)


@pytest.mark.parametrize("length", [0, 3, wire.PIECE, wire.PIECE + 1, 3 * wire.PIECE + 7])
def test_a_long_column_of_words_is_encoded_in_pieces(length):
    """A hundred thousand records of commands at once held up everybody for 0.2 s."""
    words = [{"n": number, "ok": None} if number % 3 else "ok" for number in range(length)]
    column = np.empty(length, object)
    column[:] = words
    members = {"path": "lab/log", "t": np.arange(length) / 4, "v": words, "again": column}
    expected = {**members, "t": members["t"].tolist(), "again": words}
    pieces = list(wire.object_pieces(members, "json"))
    assert wire.decode(b"".join(pieces), "json", LIMITS) == expected
    assert max(piece.count(b'"n"') for piece in pieces) <= wire.PIECE
    packed = list(wire.object_pieces(members, "msgpack"))
    assert wire.decode(b"".join(packed), "msgpack", LIMITS) == expected
    assert max(piece.count(b"\xa1n") for piece in packed) <= wire.PIECE
    whole = b"".join(wire.with_list({"end": 1}, "list", [pieces, [b"{}"]], 2, "json"))
    assert wire.decode(whole, "json", LIMITS) == {"end": 1, "list": [expected, {}]}
