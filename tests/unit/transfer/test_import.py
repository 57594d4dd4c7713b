"""What an import takes, what it refuses and why: all of it or nothing, with line and column."""

import gzip

import pytest

from labmon.reading import Quality
from labmon.transfer.csv_reader import PORTION
from labmon.transfer.problem import UnreadableFileError
from labmon.transfer.rows import Wanted

HEAD = "time,path,value,quality\n"
NOW_NS = 1_800_000_000 * 10**9


def values(store, path="a/b"):
    return [value for _, value, _ in store.points(path)]


def test_every_bad_cell_is_told_with_line_and_column_and_nothing_is_imported(store, written):
    path = written(
        "bad.csv",
        HEAD
        + "1700000000,a/b,1.5,\n"
        + "yesterday,a/b,2.5,\n"
        + "1700000002,a/b,2.5 mbar,\n"
        + "1700000003,a/b,3.5,splendid\n"
        + "1700000004,a//b,4.5,\n"
        + "1700000005,a/b\n"
        + "1700000004,a/b,6.5,ok\n"
        + "1700000006,a/b,7.5,ok\n",
    )
    job = store.load(path)
    lines = sorted(job.problems.lines(), key=lambda line: int(line.split(":")[1]))
    assert [line.split(": ")[0] for line in lines] == [f"bad.csv:{n}" for n in (3, 4, 5, 6, 7)]
    assert "column 'time': 'yesterday' is no time: use ISO 8601" in lines[0]
    assert "column 'value': '2.5 mbar' is no number: use" in lines[1]
    assert "column 'quality': unknown quality 'splendid': use one of ok, no_signal" in lines[2]
    assert "column 'path': 'a//b' has an empty segment" in lines[3]
    assert "has 2 cells, and there are 4 titles" in lines[4]
    assert store.contents() == {}


def test_bad_rows_can_be_left_out_and_are_counted(store, written):
    path = written("a.csv", HEAD + "1700000000,a/b,x,\n1700000001,a/b,2.5,\n,a/b,3.5,\n")
    job = store.load(path, skip_bad=True)
    assert job.counts.bad == job.problems.count == 2
    assert values(store) == ["2.5"]


def test_rows_out_of_order_are_refused_and_say_where(store, written):
    path = written("a.csv", HEAD + "1700000002,a/b,1.5,\n1700000001,a/b,2.5,\n")
    (line,) = store.load(path).problems.lines()
    assert line.startswith("a.csv:3: column 'time': 2023-11-14T22:13:21Z is before a row above it")
    assert store.contents() == {}


@pytest.mark.parametrize("cell", ["-", "+", "x", "1\0002"])
def test_a_cell_that_is_nearly_a_number_is_none(store, written, cell):
    rows = ["time,a/b,c/d", "1700000000,1,ä", f"1700000001,{cell},ä", "1700000002,2,ä"]
    job = store.load(written("a.csv", "\n".join(rows)), wanted=Wanted("a/b", None, "a/b"))
    (line,) = job.problems.lines()
    assert line.startswith(f"a.csv:3: column 'a/b': {cell!r} is no number")


def test_the_same_file_twice_does_not_count_twice(store, written):
    path = written("a.csv", HEAD + "".join(f"{1700000000 + i},a/b,{i}.5,\n" for i in range(100)))
    store.load(path)
    before = store.contents()
    job = store.load(path)
    assert job.is_refused
    assert job.problems.count == 100
    (line,) = job.problems.lines()
    assert "is not after the newest datapoint of a/b" in line
    assert "--only-newer" in line
    assert store.contents() == before


def test_only_what_is_newer_is_taken_from_a_file_that_has_grown(store, written):
    rows = [f"{1700000000 + i},a/b,{i}.5,\n" for i in range(6)]
    store.load(written("a.csv", HEAD + "".join(rows[:4])))
    job = store.load(written("a.csv", HEAD + "".join(rows)), only_newer=True)
    assert (job.counts.older, job.counts.rows) == (4, 2)
    assert values(store) == [f"{i}.5" for i in range(6)]


def test_late_rows_are_sorted_in_and_flagged_when_asked_for(store, written):
    store.load(written("a.csv", HEAD + "1700000010,a/b,1.5,\n"))
    rows = "1700000011,a/b,2.5,\n1700000003,a/b,3.5,limit\n1700000012,a/b,4.5,\n"
    job = store.load(written("b.csv", HEAD + rows), late=True)
    assert job.counts.late == 1
    assert [(value, quality) for _, value, quality in store.points("a/b")] == [
        ("3.5", Quality.LIMIT | Quality.LATE),
        ("1.5", 0),
        ("2.5", 0),
        ("4.5", 0),
    ]


def test_the_future_is_refused(store, written):
    path = written("a.csv", HEAD + f"{1_800_000_061},a/b,1.5,\n")
    (line,) = store.load(path, now_ns=NOW_NS).problems.lines()
    assert "lies in the future" in line


def test_several_files_are_one_import(store, written):
    paths = [written(f"{i}.csv", HEAD + f"170000000{i},a/b,{i}.5,\n") for i in range(3)]
    assert store.load(*reversed(paths)).is_refused
    assert not store.load(*paths).is_refused
    assert values(store) == ["0.5", "1.5", "2.5"]


def test_one_bad_file_keeps_all_of_them_out(store, written):
    good, bad = written("a.csv", HEAD + "1700000000,a/b,1.5,\n"), written("b.csv", HEAD + "x,y\n")
    assert store.load(good, bad).is_refused
    assert store.contents() == {}


def test_a_dry_run_only_looks(store, written):
    job = store.load(written("a.csv", HEAD + "1700000000,a/b,1.5,\n"), dry_run=True)
    assert (job.counts.rows, job.counts.new_streams) == (1, ["a/b"])
    assert store.contents() == {}


def test_one_column_of_any_file(store, written):
    path = written("gauge.csv", 'when,"p, chamber (mbar)",x\n2026-01-01 00:00:00,1e-9,a\n')
    wanted = Wanted(
        stream="chamber/p", time_column="when", value_column="p, chamber (mbar)", unit="mbar"
    )
    store.load(path, wanted=wanted)
    known, points = store.contents()["chamber/p"]
    assert known["unit"] == "mbar"
    assert known["value_downsamplers"][0] == "mean"
    assert points == [(1767225600 * 10**9, "1e-09", 0)]


def test_a_missing_column_lists_what_there_is(store, written):
    path = written("a.csv", "zeit,p\n1,2\n")
    with pytest.raises(UnreadableFileError, match=r"a.csv:1: .*give --time-column; there is zeit"):
        store.load(path)
    with pytest.raises(UnreadableFileError, match="no column 'q', but zeit, p"):
        store.load(path, wanted=Wanted("a/b", "zeit", "q"))


def test_integers_of_another_program_are_floats_where_any_is(store, written):
    path = written("a.csv", HEAD + "1700000000,a/b,1,\n1700000001,a/b,2.5,\n1700000002,c/n,1,\n")
    store.load(path)
    assert values(store) == ["1.0", "2.5"]
    assert values(store, "c/n") == ["1"]
    store.load(written("b.csv", HEAD + "1700000005,a/b,7,\n"))
    assert values(store) == ["1.0", "2.5", "7.0"]


def test_words_need_a_stream_of_words(store, written):
    path = written("a.csv", HEAD + "1700000000,a/b,open,\n")
    assert store.load(path).is_refused
    store.load(path, wanted=Wanted(value_type="nominal"))
    assert values(store) == ["'open'"]


def test_a_stream_that_differs_is_left_alone(store, other, written):
    store.fill("a/b", [(1, 1.5)], downsamplers=["mean"], unit="V")
    other.fill("a/b", [(2, 1.5)], downsamplers=["mean"], unit="A")
    path = other.export("a.csv")
    with pytest.raises(UnreadableFileError, match=r"unit is 'V' in the store and 'A' in the file"):
        store.load(path)
    store.load(path, wanted=Wanted(prefix="old"))
    assert list(store.contents()) == ["a/b", "old/a/b"]


def test_a_prefix_also_names_the_device(store, other):
    other.fill("oven/t", [(1, 1.5)], device="oven", channel="t", unit="C")
    store.load(other.export("a.jsonl"), wanted=Wanted(prefix="2025"))
    known, _ = store.contents()["2025/oven/t"]
    assert (known["device"], known["channel"]) == ("2025", "oven/t")


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_quotes_blank_lines_and_odd_endings_give_the_same_cells(store, written, ending):
    rows = ["time,a/b,c/_x", "1700000000,1.5,plain", '1700000001,"2.5","a, ""b"""', ""]
    rows += ['"1700000002",,"two', 'lines"', "1700000003,3.5,"]
    path = written("a.csv", b"\xef\xbb\xbf" + ending.join(rows).encode())
    wanted = Wanted(value_type="nominal")
    job = store.load(path, wanted=wanted)
    assert job.problems.lines() == []
    assert values(store) == ["1.5", "2.5", "3.5"]
    assert values(store, "c/_x") == ["'plain'", "'a, \"b\"'", "'two\\nlines'"]


def test_a_cell_with_line_breaks_may_lie_across_portions(store, written):
    long = "x\n" * (PORTION // 3)
    rows = "".join(f'{1700000000 + i},a/b,"{long}",\n' for i in range(3))
    job = store.load(written("a.csv", HEAD + rows), wanted=Wanted(value_type="nominal"))
    assert job.problems.lines() == []
    assert values(store) == [repr(long)] * 3


def test_a_quotation_without_an_end_is_told(store, written, monkeypatch):
    monkeypatch.setattr("labmon.transfer.csv_reader.MAX_CELL", 2 * PORTION)
    path = written("a.csv", HEAD + '1700000000,a/b,"' + "x\n" * 2 * PORTION)
    with pytest.raises(UnreadableFileError, match=r"a.csv:2: a quotation"):
        store.load(path)


def test_bytes_that_are_no_text_spoil_their_line_only(store, written):
    path = written("a.csv", HEAD.encode() + b"1700000000,a/\xff,1,\n1700000001,a/b,2.5,\n")
    job = store.load(path, skip_bad=True)
    assert job.problems.lines() == ["a.csv:2: byte 14 is no UTF-8: save the file as UTF-8"]
    assert values(store) == ["2.5"]


def test_a_gzip_that_is_cut_off_is_told(store, other, tmp_path):
    other.fill_array("a/b", list(range(10, 50_010)), [0.5 + i for i in range(50_000)])
    path = other.export("a.csv.gz")
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(UnreadableFileError, match=r"a.csv.gz.*unpack"):
        store.load(path)
    assert store.contents() == {}


@pytest.mark.parametrize("place", [10, 11, 20])
def test_a_gzip_of_which_a_byte_is_wrong_is_told(store, written, place):
    rows = "".join(f"{1700000000 + i},a/b,{i}.5,\n" for i in range(100))
    packed = bytearray(gzip.compress((HEAD + rows).encode(), mtime=0))
    packed[place] ^= 0xFF
    with pytest.raises(UnreadableFileError, match=r"a.csv.gz: .*unpack"):
        store.load(written("a.csv.gz", bytes(packed)))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("time;a/b\n1700000000;1,5\n", "';' between its columns: save it with commas, and numbers"),
        ("time\ta/b\n1700000000\t1.5\n", r"'\\t' between its columns"),
        ("time,a/b\r1700000000,1.5\r", "ends its lines with CR alone"),
    ],
)
def test_what_is_not_quite_csv_says_what_to_do(store, written, text, said):
    with pytest.raises(UnreadableFileError, match=rf"a.csv:1: .*{said}"):
        store.load(written("a.csv", text))


@pytest.mark.parametrize("text", ["0", "12.5", "46023.5", "99999999"])
def test_seconds_since_a_start_are_no_times(store, written, text):
    job = store.load(written("a.csv", f"time,a/b\n{text},1.5\n"))
    (line,) = job.problems.lines()
    assert f"a.csv:2: column 'time': '{text}' would be Unix seconds of 197" in line
    assert "use ISO 8601" in line


@pytest.mark.parametrize("others", [["1.5"], ["1.5", '"2.5"'], ["inf", "null"]])
def test_a_number_that_no_float_holds_is_not_infinite(store, written, others):
    rows = "".join(f"170000000{i},{cell}\n" for i, cell in enumerate([*others, "1e400"]))
    (line,) = store.load(written("a.csv", "time,a/b\n" + rows)).problems.lines()
    assert "'1e400' is larger than any float" in line


def test_a_number_of_json_that_no_float_holds_is_not_infinite(store, written):
    text = '{"time": 1700000000, "path": "a/b", "value": 1e400}\n'
    (line,) = store.load(written("a.jsonl", '{"time": 1, "path": "x"}\n' + text)).problems.lines()[
        :1
    ]
    assert "a.jsonl:2: is no JSON: '1e400' is larger than any float" in line


@pytest.mark.parametrize("others", ["", "7", "null", "0.5"])
@pytest.mark.parametrize(
    "whole", ["123456789012345678901234567890", "-9223372036854775809", "18446744073709551616"]
)
def test_an_integer_of_json_beyond_64_bits_is_no_float(store, written, whole, others):
    line = '{{"time": "2023-11-01T0{}:00:00Z", "path": "a/b", "value": {}}}\n'
    cells = [others, whole, others] if others else [whole]
    text = "".join(line.format(hour, cell) for hour, cell in enumerate(cells))
    (said,) = store.load(written("a.jsonl", text)).problems.lines()
    where = 1 + cells.index(whole)
    assert said.startswith(f"a.jsonl:{where}: column 'value': {whole} is beyond 64 bits: write")


def test_a_large_float_of_json_is_taken(store, written):
    line = '{{"time": 170000000{}, "path": "a/b", "value": {}}}\n'
    texts = ["1e20", "123456789012345678901.0", "-1.5E300"]
    store.load(written("a.jsonl", "".join(line.format(i, text) for i, text in enumerate(texts))))
    assert [float(value) for value in values(store)] == [float(text) for text in texts]


def test_rollups_are_no_datapoints(store, other):
    other.fill_array("a/b", [i * 10**9 for i in range(100)], [i / 2 for i in range(100)], unit="V")
    from labmon.datastream import Granularity

    path = other.export("a.csv", granularity=Granularity.Minutes)
    with pytest.raises(UnreadableFileError, match=r"holds rollups \(minutes\)"):
        store.load(path)
    store.load(path, wanted=Wanted("a/mean", None, "a/b mean (V)"))
    assert values(store, "a/mean") == ["14.75", "39.75"]


def test_a_file_of_a_later_version_is_refused(store, written):
    path = written("a.csv", '# labmon export {"version": 2}\ntime,a/b\n1700000000,1\n')
    with pytest.raises(UnreadableFileError, match="version 2, this labmon knows 1"):
        store.load(path)


def test_json_lines_are_told_line_by_line(store, written):
    path = written(
        "a.jsonl",
        '{"time":"2026-01-01T00:00:00Z","path":"a/b","value":1.5}\n'
        "\n"
        "nonsense\n"
        '{"time":"2026-01-01T00:00:01Z","value":1}\n'
        '{"time":null,"path":"a/b","value":1}\n'
        '{"time":1767225603.25,"path":"a/b","value":"x"}\n'
        '{"time":1767225604,"path":"a/b"}\n'
        '{"time":1767225605.25,"path":"a/b","value":2,"quality":["limit","simulated"]}\n',
    )
    job = store.load(path, skip_bad=True)
    lines = sorted(job.problems.lines())
    assert [line.split(": ")[0] for line in lines] == [f"a.jsonl:{n}" for n in (3, 4, 5, 6, 7)]
    assert "is no JSON" in lines[0]
    assert "column 'path': is missing" in lines[1]
    assert "column 'time'" in lines[2]
    assert "'x' is no number" in lines[3]
    assert "column 'value': is missing" in lines[4]
    assert store.points("a/b")[1] == (1767225605250000000, "2.0", 0x14)


def test_a_line_of_json_that_does_not_end_is_told(store, written, monkeypatch):
    monkeypatch.setattr("labmon.transfer.jsonl_reader.LONGEST", 1000)
    monkeypatch.setattr("labmon.transfer.jsonl_reader.PORTION", 500)
    path = written("a.jsonl", '{"x":1}\n' + '[{"time":1767225600,"path":"a/b","value":1.5},' * 100)
    with pytest.raises(UnreadableFileError, match=r"a.jsonl:2: this line does not end"):
        store.load(path)


def test_parquet_of_other_programs(store, tmp_path):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path = tmp_path / "p.parquet"
    table = pa.table(
        {
            "when": pa.array([1_767_225_600_000, 1_767_225_601_500, None], pa.timestamp("ms")),
            "p": pa.array([1.5, None, 2.5]),
        }
    )
    parquet.write_table(table, path)
    job = store.load(path, skip_bad=True, wanted=Wanted("a/b", "when", "p"))
    assert job.problems.lines() == ["p.parquet:3: column 'when': is no time from 1970 on"]
    assert store.points("a/b") == [
        (1_767_225_600_000_000_000, "1.5", 0),
        (1_767_225_601_500_000_000, "None", 0),
    ]


def test_a_damaged_parquet_is_told(store, other, tmp_path):
    pytest.importorskip("pyarrow")
    other.fill("a/b", [(1, 1.5)])
    path = other.export("a.parquet")
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(UnreadableFileError, match=r"a.parquet: is no Parquet file"):
        store.load(path)
