"""Lines that are cut into cells without being read give the very rows that reading them gives."""

import json

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from labmon.transfer import json_columns
from labmon.transfer.jsonl_reader import JsonLinesReader
from labmon.transfer.rows import Wanted

TIMES = [
    *("2026-01-01T00:00:00Z", "2026-01-01T00:00:00.5Z", "2024-02-29T23:59:59.123456Z"),
    *("2262-04-11T23:47:16.854775807Z", "1969-12-31T23:59:59Z", "2026-13-01T00:00:00Z", "now", ""),
    *("2026-01-01 00:00:00", "1767225600", "1767225600.5", "1767225600."),
]
UNIX = ["1767225600", "1767225600.5", "1767225600.123456", "1767225600.1234567", "1767225600."]
UNIX += ["0767225600", "-767225600", "176722560.5", "17672256001", "1.7672256e9", "1767225600.0"]
NUMBERS = ["0", "-0", "-0.0", "1", "1.5", "-12.625", "1e-9", "1E+22", "0.1", "null", "5e-324"]
NUMBERS += ["9223372036854775807", "9223372036854775808", "-9223372036854775809", "1e400"]
NUMBERS += ["9007199254740993", "9007199254740993.0", "0.30000000000000004", "123456789012345.5"]
NO_NUMBERS = [
    "",
    "01",
    "-01",
    "+1",
    ".5",
    "5.",
    "-",
    "-.5",
    "1e",
    "NaN",
    "inf",
    "nulll",
    "un",
]
NO_NUMBERS += [
    "true",
    '"1"',
    "[1]",
    "{}",
    '1,"value":2',
    '1,"infinite":1',
    "1}\n{",
    "1\\u0030",
    "1_0",
]
LAYOUTS = [
    '{{"time":{t},"path":"a/b","value":{v}{more}}}',
    '{{"value": {v}, "path": "a/b", "time": {t}{more}}}',
    ' {{"unit" : "°C", "path":"a/b" ,"value":{v},"time":{t}{more} }}\r',
    '{{"time":{t},"path":"a\\/b","value":{v},"time":{t}{more}}}',
    '{{"t":{t},"path":"a/b","value":{v},"x":"\\"}}"{more}}}',
]
MORE = ["", ',"quality":"limit"', ',"quality":4', ',"quality":["limit"]', ',"infinite":1', ',"q":0']
MORE += [',"quality":"splendid"', ',"stream":1', ',"path":"c/d"', ',"unix_s":1', ',"v\\u0061lue":7']


GOOD_VALUES = [
    st.sampled_from(["1.5", "20.25", "-3.0", "0.1"]),
    st.sampled_from(NUMBERS),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.integers(-(10**16), 10**20).map(str),
]
GOOD_TIMES = [st.sampled_from(TIMES[:4]).map(json.dumps), st.sampled_from(UNIX[:3])]
ODD = [
    st.sampled_from([*map(json.dumps, TIMES), *UNIX]),
    st.sampled_from(NUMBERS + NO_NUMBERS),
    st.sampled_from(MORE),
]


@st.composite
def files(draw):
    """Lines of one layout, with perhaps a cell and a byte in them that do not belong there."""
    layout, more = draw(st.sampled_from(LAYOUTS)), draw(st.sampled_from(["", "", *MORE[:3]]))
    time, value = draw(st.sampled_from(GOOD_TIMES)), draw(st.sampled_from(GOOD_VALUES))
    rows = draw(st.lists(st.tuples(time, value, st.just(more)).map(list), min_size=1, max_size=12))
    for column in draw(st.lists(st.integers(0, 2), max_size=2)):
        draw(st.sampled_from(rows))[column] = draw(ODD[column])
    data = "".join(layout.format(t=t, v=v, more=m) + "\n" for t, v, m in rows).encode()
    if draw(st.integers(0, 3)) == 0:
        place = draw(st.integers(0, len(data) - 2))
        data = data[:place] + draw(BYTES) + data[place + draw(st.integers(0, 1)) :]
    return data if data.endswith(b"\n") else data + b"\n"


BYTES = st.sampled_from(
    [b"", b" ", b"\n", b'"', b"\\", b",", b"}", b"0", b"\0", b"\xff", b"-", b"."]
)


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    path = tmp_path_factory.mktemp("files") / "a.jsonl"
    path.write_bytes(b"{}\n")
    return JsonLinesReader(path, Wanted())


def described(rows):
    quality = np.zeros(len(rows), np.uint8) if rows.quality is None else rows.quality
    values = rows.v.tolist() if rows.v.dtype == object else rows.v.tobytes()
    kinds = [type(value) for value in values]
    return (
        *(rows.path, rows.column, rows.t.tolist(), rows.lines.tolist(), quality.tolist()),
        *(str(rows.v.dtype), kinds, repr(values)),
    )


def line_by_line(reader, data):
    problems = []
    rows = list(reader._rows(data.split(b"\n")[:-1], 7, problems.append))
    return [described(one) for one in rows], problems


@settings(max_examples=250, deadline=None)
@given(files())
@example(
    b'{"time":"2026-01-01T00:00:00Z","path":"a/b","value":1}\n{"time":"2026-01-01T00:00:01Z"}\n'
)
@example(
    b'{"time":1767225600,"path":"a/b","value":0}\n{"time":0767225601,"path":"a/b","value":0}\n'
)
@example(
    b'{"time":"1767225600","path":"a/b","value":1}\n{"time":"1767225601","path":"a/b","value":\n}\n'
)
@example(
    b'{"time":"1767225600","path":"a/b","value":1.5}\n{"time":"1767225601","path":"a/b","value":2}\n'
)
@example(
    b'{"value":1.5,"path":"a/b","time":1767225600}\n{"value":null,"path":"a/b","time":1767225601}\n'
)
def test_what_is_cut_out_is_what_reading_gives(reader, data):
    columns = reader._cut((data, 7))[1]
    found = columns and reader._uniform(columns, 7)
    if found is not None:
        assert ([described(found)], []) == line_by_line(reader, data)


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_what_json_refuses_is_left_to_be_told(text):
    line = '{{"time":"2026-01-01T00:00:0{}Z","path":"a/b","value":{}}}\n'
    data = line.format(0, "1.5") + line.format(1, text)
    assert json_columns.columns(data.encode(), "time", "value") is None


@pytest.mark.parametrize("value", ["1.5", "-3", "null", "2.5e-11", "0.1234567890123456"])
@pytest.mark.parametrize("layout", LAYOUTS[:3])
def test_plain_lines_are_not_read_one_by_one(layout, value):
    times = ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00.500Z", "2026-01-01T00:00:01Z"]
    rows = [layout.format(t=f'"{time}"', v=value, more="") for time in times]
    found = json_columns.columns(("\n".join(rows) + "\n").encode(), "time", "value")
    assert found is not None
    assert found.t.tolist() == [1767225600 * 10**9 + i * 5 * 10**8 for i in range(3)]
    expected = [np.nan if value == "null" else json.loads(value)] * 3
    np.testing.assert_array_equal(found.v, expected)


def test_qualities_are_those_of_their_lines():
    words = ["", ',"quality":"limit"', "", ',"quality":"fault"', ',"quality":"limit"']
    line = '{{"time":"2026-01-01T00:00:0{}Z","path":"a/b","value":1.5{}}}\n'
    data = "".join(line.format(i, word) for i, word in enumerate(words))
    found = json_columns.columns(data.encode(), "time", "value")
    assert found is not None
    assert [bool(one) for one in found.quality] == [bool(word) for word in words]
    assert found.quality[1] == found.quality[4] != found.quality[3]
