"""What version 1 of the format wrote must be read for ever: these files are never written again."""

import dataclasses
import re
from pathlib import Path

import msgpack
import numpy as np
import pytest

from labmon.datastream import codec, entry, value_codec, vectors
from labmon.datastream.backends.base import BlockKey
from labmon.datastream.backends.sqlite_blocks import owner_of
from labmon.datastream.backends.sqlite_packs import Body, packed, unpacked
from labmon.datastream.codec import decode_raw, decode_rollups, decode_times, read_header
from labmon.datastream.columns import Columns
from labmon.datastream.derive_mark import mark_prefix
from labmon.datastream.downsample import downsampled_values, roll_up, roll_up_nominal
from labmon.datastream.downsampling import FINISHED
from labmon.datastream.engine import FOLLOWERS, NEXT_STREAM
from labmon.datastream.entry import decode_entry
from labmon.datastream.granularity import Granularity
from labmon.datastream.retained import DAY_NS
from labmon.datastream.retainer import REACHED
from labmon.datastream.seal_state import Latest, LevelState, SealState
from labmon.datastream.upkeep import TRIMMED
from labmon.reading import Quality

FIXTURES = Path(__file__).with_name("fixtures")
FORMAT = (Path(__file__).parents[3] / "docs" / "format.md").read_text()
T0 = 1_764_244_800_000_000_000
TIMES = [T0 + i * 100_000_000 + (i * 7919 % 2000 - 1000) * 1000 for i in range(60)]
VALUES = [None if i == 7 else (3842304845 + i * i % 11) / 10**7 for i in range(60)]
STATES = ["offline", "connecting", "online", None, {"a": [1, 2.5]}, "online"]


def stored(name):
    return (FIXTURES / name).read_bytes()


def test_a_time_column_of_version_1_is_read():
    times = decode_times(stored("times.bin"))
    assert times["t"].tolist() == TIMES
    address = codec.time_address(Columns.from_values(TIMES, VALUES))
    assert read_header(stored("decimal.bin")).address == address
    decode_times(stored("times.bin"), address=address)


def test_decimals_of_version_1_are_read():
    table = decode_raw(stored("decimal.bin"), decode_times(stored("times.bin")))
    assert table.python_values() == VALUES
    assert table.qualities().tolist() == [1 if i == 7 else 0x10 for i in range(60)]


@pytest.mark.parametrize(
    ("name", "kind", "values"),
    [
        ("json.bin", "json", STATES),
        ("ints.bin", "i8", [2**62 + 1, None, -5, 7]),
        ("mixed.bin", "mixed", [1, 2.5, None, -0.0]),
        ("arrays.bin", "array", [[0.5, 0.25], None, []]),
    ],
)
def test_values_of_every_kind_of_version_1_are_read(name, kind, values):
    table = decode_raw(stored(name))
    assert repr(table.python_values()) == repr(values)
    assert table.t.tolist() == TIMES[: len(values)]
    assert read_header(stored(name)).kind == kind


def test_rollups_of_version_1_are_read():
    found = decode_rollups(stored("rollups.bin"))
    raw = Columns.from_values(TIMES, VALUES, [1 if i == 7 else 0x10 for i in range(60)])
    expected = roll_up(raw, Granularity.Seconds.duration_ns)
    assert found.t.tolist() == expected.t.tolist()
    for name, column in expected.columns.items():
        np.testing.assert_allclose(found[name], column, rtol=1e-12, err_msg=name)
    assert downsampled_values(found, "std_dev")[1] == pytest.approx(3.6e-7, rel=0.3)


def test_narrow_numbers_are_read():
    found = decode_raw(stored("narrow.bin"))
    assert found.t.tolist() == [
        T0 + i * 100_000_000 + (i * 7919 % 2000 - 1000) * 1000 for i in range(200)
    ]
    assert found.v.tolist() == [(3842304845 + i * i % 11) / 10**7 for i in range(200)]


def test_reduced_deviations_are_read():
    found = decode_rollups(stored("reduced.bin"))
    expected = roll_up(decode_raw(stored("narrow.bin")), Granularity.Seconds.duration_ns)
    assert found.t.tolist() == expected.t.tolist()
    np.testing.assert_array_equal(found["count"], expected["count"])
    for name in ("sum", "mean", "m2"):
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-12, err_msg=name)


def test_rollups_of_words_of_version_1_are_read():
    found = decode_rollups(stored("nominal_rollups.bin"))
    expected = roll_up_nominal(
        Columns.from_values(TIMES[:6], STATES), Granularity.Seconds10.duration_ns
    )
    for name, column in expected.columns.items():
        assert found[name].tolist() == column.tolist(), name


def test_a_journal_entry_of_version_1_is_read():
    found = decode_entry(stored("entry.bin"))
    assert found.epoch == 7
    assert found.seq.tolist() == [1000, 1001, 1002, 1003, 1004]
    assert found.streams.tolist() == [1, 2, 3, 1, 70000]
    assert found.t.tolist() == [TIMES[0]] * 3 + [TIMES[1]] * 2
    assert found.values.unpack() == [384.2304845, None, -12, 2.5, {"state": "online"}]
    assert found.quality is not None
    assert found.quality.tolist() == [16, 17, 0, 16, 0]
    assert found.note == {"blocks": []}


def test_a_pack_of_bodies_is_read():
    first, gone, last = unpacked(stored("pack.bin"))
    assert first == Body(owner_of(*BlockKey(1, "r", 0, 0)), stored("small.bin"))
    assert gone == Body(owner_of(*BlockKey(2, "r", 0, 0)), b"", is_gone=True)
    assert last == Body(owner_of(*BlockKey(3, "r", 0, 0)), stored("ints.bin"))
    assert packed([first, gone, last]) == stored("pack.bin")
    assert drawn("A pack of bodies") == stored("pack.bin")[: 8 + 3 * 9]


def drawn(heading):
    """The bytes that the page draws in one of its sections."""
    (_, section) = FORMAT.split(f"\n## {heading}\n")
    section = section.partition("\n## ")[0]
    lines = re.findall(r"^ +(\d+)  ((?:[0-9a-f]{2} ?)+)(?:  .*)?$", section, re.MULTILINE)
    data = b""
    for at, digits in lines:
        assert int(at) == len(data)
        data += bytes.fromhex(digits)
    return data


def test_the_sealing_state_of_the_page_is_the_fixture_byte_by_byte():
    data = drawn("A stream, and how far it is sealed")
    assert data == stored("state.bin")
    midnight_ns = T0 - T0 % DAY_NS
    last_ns = midnight_ns + 2 * DAY_NS - 10_000_000_000
    floor_ns = midnight_ns + DAY_NS
    state = SealState(
        through=8192,
        removed=4096,
        first_ns=midnight_ns,
        last_ns=last_ns,
        latest=Latest(last_ns, 0.5, Quality.SIMULATED),
        levels={"m": LevelState(floor_ns, 1440, 60, 3600)},
        floors={"r": floor_ns},
        fixed=4096,
    )
    assert SealState.decode(data) == state
    assert state.encode() == data
    fields = re.findall(r"^\| ([a-z, ]+) \| .*$", FORMAT, re.MULTILINE)
    for field in dataclasses.fields(SealState):
        assert any(field.name.removesuffix("_ns") in names.split(", ") for names in fields)


def test_a_state_that_was_written_before_anything_was_removed_has_no_floors():
    data = SealState(3, 0, 1, 2, None, {}).encode()
    assert len(msgpack.unpackb(data[4:])) == 6
    assert SealState.decode(data) == SealState(3, 0, 1, 2, None, {})


def test_the_page_names_every_cursor():
    for name in (NEXT_STREAM, TRIMMED, REACHED):
        assert f"| `{name}` |" in FORMAT
    for prefix in (FINISHED, FOLLOWERS, "derived/", "damaged/"):
        assert f"| `{prefix}" in FORMAT
    assert mark_prefix(3) == "derived/3/"


def test_the_example_of_the_page_is_the_fixture_byte_by_byte():
    data = drawn("An example")
    assert data == stored("small.bin")
    table = decode_raw(data)
    assert table.python_values() == [0.5, 0.25, None]
    assert table.t.tolist() == [T0, T0 + 1000, T0 + 2000]
    assert table.qualities().tolist() == [0, 0, 1]


def test_the_page_names_every_magic_kind_and_form():
    for magic in (codec._BLOCK_MAGIC, codec._TIMES_MAGIC, entry._MAGIC):
        assert f"`{magic.decode()}`" in FORMAT
    for kind in (*value_codec.KINDS, *codec._ROLLUP_KINDS):
        assert f"| `{kind.decode()}` |" in FORMAT
    for form in ("CONSTANT", "PCODEC", "DECIMAL", "STEPPED", "DEFLATE"):
        assert f"| {getattr(vectors, form)} *{form.lower()}* |" in FORMAT
    for granularity in Granularity.values:
        assert f"`{granularity.key}`" in FORMAT
    assert codec.VERSION == codec.CODEC == entry.VERSION == 1  # else: new fixtures, and a new page
