"""What an export writes: chosen streams, spans and buckets, side by side or one after the other."""

import csv
import gzip
import json

import numpy as np
import pytest

from labmon.datastream import Granularity
from labmon.errors import BadRequestError, NotFoundError
from labmon.paths import Selection
from labmon.reading import Quality
from labmon.transfer import files

SECOND_NS = 10**9
T0 = 1_733_000_000 * SECOND_NS


def rows(path):
    with path.open(newline="") as file:
        return list(csv.reader(line for line in file if not line.startswith("#")))


def test_streams_stand_side_by_side_by_time(store):
    store.fill("a/x", [(T0, 1.5), (T0 + 1, None, Quality.NO_SIGNAL)], unit="V")
    store.fill("a/y", [(T0 + 1, 2), (T0 + 1, 3)])
    assert rows(store.export("t.csv")) == [
        ["time", "unix_s", "a/x (V)", "a/x quality", "a/y", "a/y quality"],
        ["2024-11-30T20:53:20Z", "1733000000.000000000", "1.5", "", "", ""],
        ["2024-11-30T20:53:20.000000001Z", "1733000000.000000001", "null", "no_signal", "2", ""],
        ["2024-11-30T20:53:20.000000001Z", "1733000000.000000001", "", "", "3", ""],
    ]


def test_wide_tables_are_right_whatever_the_rates(store):
    rng = np.random.default_rng(7)
    expected = {}
    for path, count, step in (("a/fast", 50_000, 7), ("b/slow", 300, 997), ("c/mid", 20_000, 17)):
        t = T0 + np.sort(rng.integers(0, count * step, count))
        v = rng.integers(0, 1000, count) / 8
        store.fill_array(path, t, v)
        expected[path] = list(zip(t.tolist(), v.tolist(), strict=True))
    table = rows(store.export("t.csv", is_plain=True))
    titles = table[0]
    seconds = [row[1] for row in table[1:]]
    assert seconds == sorted(seconds)
    for path, points in expected.items():
        at = titles.index(path)
        found = [
            (int(row[1].replace(".", "")), float(row[at])) for row in table[1:] if row[at] != ""
        ]
        assert found == points


def test_globs_and_spans_choose(store):
    for path in ("a/x", "a/_state", "b/x"):
        store.fill(path, [(T0 + i, float(i)) for i in range(10)])
    path = store.export(
        "t.csv", selection=Selection(("a/*",)), start_ns=T0 + 3, end_ns=T0 + 5, is_long=True
    )
    assert [(row[2], row[3]) for row in rows(path)[1:]] == [("a/x", "3.0"), ("a/x", "4.0")]
    everything = store.export("all.jsonl")
    assert {json.loads(line).get("path") for line in everything.read_text().splitlines()} >= {
        "a/_state",
        "b/x",
    }


def test_no_stream_says_what_there_is(store):
    store.fill("a/x", [(T0, 1.5)])
    with pytest.raises(NotFoundError, match=r"no stream is selected by 'z/\*'; there is a/x"):
        store.export("t.csv", selection=Selection(("z/*",)))
    assert not (store.folder / "t.csv").exists()


def test_an_empty_store_is_said_to_be_empty(store):
    async def nothing(_):
        pass

    store.do(nothing)
    with pytest.raises(NotFoundError, match="the store has no streams yet"):
        store.export("t.csv")


@pytest.mark.parametrize("granularity", [Granularity.Seconds10, Granularity.Hours])
def test_buckets_are_those_of_the_engine(store, granularity):
    t = T0 + np.arange(20_000) * SECOND_NS
    v = np.sin(np.arange(20_000))
    store.fill_array("a/x", t, v, unit="V")
    store.fill("a/_state", [(T0, "on")], "nominal")
    table = rows(
        store.export("t.csv", granularity=granularity, fields=("mean", "max"), is_plain=True)
    )
    assert table[0] == ["time", "unix_s", "a/x mean (V)", "a/x max (V)"]
    assert store.progress.left_out == ["a/_state"]

    async def ask(opened):
        return await opened.get_arrays(opened.stream_id("a/x"), granularity, 0, 2**62)

    right = store.do(ask)
    assert [int(row[1].replace(".", "")) for row in table[1:]] == right["t"].tolist()
    assert [float(row[2]) for row in table[1:]] == right["mean"].tolist()
    assert [float(row[3]) for row in table[1:]] == right["max"].tolist()
    long = rows(store.export("l.csv", granularity=granularity, is_long=True))
    assert len(long) == len(table)


def test_an_unknown_field_is_refused(store):
    store.fill("a/x", [(T0, 1.5)], downsamplers=["mean"])
    with pytest.raises((BadRequestError, NotFoundError)):
        store.export("t.csv", granularity=Granularity.Minutes, fields=("median",))


def test_rollups_as_json_lines_and_parquet(store):
    pytest.importorskip("pyarrow")
    from pyarrow import parquet

    store.fill_array("a/x", T0 + np.arange(300) * SECOND_NS, np.arange(300) / 4)
    lines = store.export("t.jsonl", granularity=Granularity.Minutes).read_text().splitlines()
    buckets = [json.loads(line) for line in lines[2:]]
    table = parquet.read_table(store.export("t.parquet", granularity=Granularity.Minutes))
    assert table.column("mean").to_pylist() == [bucket["mean"] for bucket in buckets]
    assert table.column("count").to_pylist() == [bucket["count"] for bucket in buckets]


def test_parquet_has_a_column_for_each_kind_of_value(store):
    pytest.importorskip("pyarrow")
    from pyarrow import parquet

    store.fill("a/n", [(T0, 1.5), (T0 + 1, 2), (T0 + 2, None)])
    store.fill("a/s", [(T0, {"on": True})], "nominal")
    table = parquet.read_table(store.export("t.parquet")).drop(["time"]).to_pylist()
    kinds = [(r["path"], r["value"], r["integer"], r["json"]) for r in table]
    assert kinds == [
        ("a/n", 1.5, None, None),
        ("a/n", None, 2, None),
        ("a/n", None, None, None),
        ("a/s", None, None, '{"on": true}'),
    ]


def test_a_packed_file_is_packed(store):
    store.fill("a/x", [(T0, 1.5)])
    path = store.export("t.csv.gz", is_plain=True)
    assert gzip.decompress(path.read_bytes()).startswith(b"time,unix_s,a/x")


def test_a_formula_in_a_text_or_a_title_is_disarmed(store):
    store.fill("-2/x", [(T0, "=HYPERLINK(1)")], "nominal")
    table = rows(store.export("t.csv"))
    assert table[0][2] == "'-2/x"
    assert table[1][2] == "'=HYPERLINK(1)"


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_a_file_that_cannot_be_written_is_named(tmp_path, name):
    def write() -> None:
        with files.written(tmp_path / name) as file:
            file.write(b"x")
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match=rf"No space left on device: '{tmp_path}/{name}'"):
        write()
    assert list(tmp_path.iterdir()) == []
