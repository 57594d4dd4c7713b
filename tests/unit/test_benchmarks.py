"""Every benchmark at a tiny size, so that none rots; what they measure here means nothing."""

import importlib
import shutil
import sys

import numpy as np
import pytest

from benchmarks import lab_data, rounds

SMALL = {
    "ingest": ("--minutes", "1", "--seconds", "1", "--hours", "0.02"),
    "size": ("--hours", "0.05"),
    "queries": ("--hours", "0.3", "--days", "0.05", "--budget", "0.01"),
}


def run(monkeypatch, capsys, name, *options):
    monkeypatch.setattr(sys, "argv", [name, "--quick", "--rounds", "1", *options])
    importlib.import_module(f"benchmarks.{name}").main()
    return capsys.readouterr().out


@pytest.mark.parametrize("name", SMALL)
def test_a_benchmark_measures_labmon_and_sqlite(name, monkeypatch, capsys):
    told = run(monkeypatch, capsys, name, *SMALL[name], "--without", "duckdb")
    assert "| labmon | SQLite rows |" in told


@pytest.mark.parametrize("name", SMALL)
def test_a_benchmark_measures_duckdb(name, monkeypatch, capsys):
    pytest.importorskip("duckdb", reason="peers are installed by script/bench only")
    told = run(monkeypatch, capsys, name, *SMALL[name], "--without", "sqlite")
    assert "| DuckDB |" in told


def test_arrays_are_measured(monkeypatch, capsys):
    assert "| CPU time of a sample, µs |" in run(monkeypatch, capsys, "arrays", "--seconds", "0.2")


def test_graphs_over_http_are_measured(monkeypatch, capsys):
    sizes = ("--hours", "0.2", "--days", "0.02", "--count", "2")
    assert "| msgpack |" in run(monkeypatch, capsys, "http_graphs", *sizes)


def test_mongodb_is_measured(monkeypatch, capsys):
    assert "one document each" in run(monkeypatch, capsys, "mongodb", "--seconds", "1")


def test_a_reading_and_a_command_are_timed(monkeypatch, capsys):
    told = run(monkeypatch, capsys, "roundtrip", "--count", "2")
    assert "| a command, POST /rpc | 1 / 5 |" in told


def test_a_week_is_lived_through(monkeypatch, capsys):
    assert "| resident size, MB |" in run(monkeypatch, capsys, "week", "--days", "0.02")


def test_a_start_is_timed(monkeypatch, capsys):
    sizes = ("--hours", "0.02", "--days", "0.02")
    assert "| a year, after a crash |" in run(monkeypatch, capsys, "start", *sizes)


def test_export_and_import_are_timed(monkeypatch, capsys):
    told = run(monkeypatch, capsys, "transfer", "--days", "0.01", "--without", "csv,parquet")
    assert "| import | jsonl |" in told


@pytest.mark.skipif(shutil.which("cc") is None, reason="it compiles its viewers")
def test_memory_is_measured(monkeypatch, capsys):
    told = run(monkeypatch, capsys, "memory", "--seconds", "0.5", "--clients", "5")
    assert "| for each idle one, kB |" in told


@pytest.mark.alone  # its browser runs behind everything else, and would starve
def test_the_pages_are_measured_in_a_browser(monkeypatch, capsys):
    sizes = ("--devices", "1", "--days", "0.1", "--seconds", "0.2")
    assert "from click to pixels" in run(monkeypatch, capsys, "pages", *sizes)


@pytest.mark.alone
def test_a_quiet_server_is_measured(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["quiet", "--seconds", "0.4", "--every", "0.2"])
    importlib.import_module("benchmarks.quiet").main()
    assert "| resident, MB |" in capsys.readouterr().out


def test_punctuality_of_devices_is_measured(monkeypatch, capsys):
    told = run(monkeypatch, capsys, "devices", "--devices", "3", "--seconds", "0.5")
    assert "| four values | 3 |" in told
    assert "| a line of text | 3 |" in told


def test_a_table_replaces_only_what_stands_between_its_markers():
    page = "<!-- size: written by script/bench size -->\n\nold\n\n<!-- end of size -->\nafter\n"
    assert rounds.replaced(page, "size", "new") == page.replace("old", "new")
    with pytest.raises(ValueError, match="no place for ingest"):
        rounds.replaced(page, "ingest", "new")


def test_the_page_has_a_place_for_every_benchmark():
    page = rounds.PAGE.read_text()
    others = ("http_graphs", "mongodb", "pages", "roundtrip", "start", "memory", "transfer")
    for name in (*SMALL, *others):
        assert "new words" in rounds.replaced(page, name, "new words")


def test_a_ratio_is_taken_in_each_round():
    ratio = rounds.ratios([1.0, 40.0, 3.0], [2.0, 10.0, 3.0])
    assert ratio.median == 1.0
    assert str(ratio) == "1.0 (0.50-4.0)"


def test_numbers_keep_their_significant_digits():
    assert [rounds.number(x) for x in (0.01234, 999.7, 1234567.0)] == [
        "0.0123",
        "1,000",
        "1,230,000",
    ]


@pytest.mark.parametrize("is_shared", [False, True])
def test_the_data_is_the_same_for_the_same_seed_and_in_the_order_of_time(is_shared):
    first, second = (list(lab_data.Laboratory(is_shared).chunks(100)) for _ in range(2))
    for (device, parts), (_, again) in zip(first, second, strict=True):
        assert len({t.tobytes() for t, _ in parts}) == (1 if is_shared else device.channels)
        for (t, v), (t2, v2) in zip(parts, again, strict=True):
            assert (np.diff(t) > 0).all()
            assert np.array_equal(t, t2)
            assert np.array_equal(v, v2)


def test_values_are_what_instruments_print():
    printed = {"wavemeter": "{:.7f}", "powermeter": "{:.4e}", "gauges": "{:.2e}"}
    for device, parts in lab_data.Laboratory(is_shared=True).chunks(50):
        as_text = printed.get(device.name, "{:.2f}").format
        for _, v in parts:
            assert [float(as_text(value)) for value in v] == v.tolist()
