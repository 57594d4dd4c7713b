"""Damage of every kind is found and told with stream, block and times; a whole store is whole."""

import asyncio
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from labmon import datastream
from labmon.datastream import Granularity, codec
from labmon.datastream.exceptions import InternalInconsistencyWarning
from labmon.upkeep.level_check import difference
from labmon.upkeep.verifying import verify

NUMBER = "(SELECT number FROM streams ORDER BY number LIMIT 1)"


def findings(store):
    return asyncio.run(verify(store.url)).findings


def test_a_whole_store_is_whole(copy):
    report = asyncio.run(verify(copy.url))
    assert report.findings == []
    assert report.is_file_checked
    assert report.streams == 5
    assert report.datapoints > 120_000
    assert report.buckets > 1000
    assert report.entries > 0
    assert report.blocks == copy.sql("SELECT count(*) FROM blocks")[0][0]


def test_nothing_is_changed(copy):
    before = copy.path.read_bytes()
    asyncio.run(verify(copy.url))
    assert copy.path.read_bytes() == before


def test_progress_reaches_the_end(copy):
    seen = []
    asyncio.run(verify(copy.url, lambda done, total: seen.append((done, total))))
    assert seen[-1][0] == seen[-1][1]


def test_a_flipped_bit_of_a_block_is_found_with_stream_block_and_times(copy, flipped):
    key = copy.change_body("granularity = 'r' AND ordinal > 2000", flipped)
    (finding,) = findings(copy)
    assert finding.stream == "laser/power"
    assert finding.what == f"block {'/'.join(map(str, key))}"
    assert "checksum" in finding.text
    span = copy.sql(
        "SELECT from_ns, to_ns FROM blocks WHERE stream = ? AND granularity = 'r' AND ordinal = ?",
        key[0],
        key[2],
    )
    assert [(finding.from_ns, finding.to_ns)] == span
    assert "2024-11-30T2" in str(finding)


def test_a_flipped_bit_of_a_rollup_is_found(copy, flipped):
    key = copy.change_body("granularity != 'r'", flipped)
    (finding,) = findings(copy)
    assert finding.what.startswith(f"block {key[0]}/{key[1]}/")


def test_a_flipped_bit_of_a_journal_entry_is_found(copy, flipped):
    copy.change_body("length(body) > 100", lambda body: flipped(body, 60), "journal")
    found = findings(copy)
    assert "journal entry" in found[0].what
    assert "checksum" in found[0].text


def test_a_missing_block_is_found(copy):
    copy.sql(f"DELETE FROM blocks WHERE stream = {NUMBER} AND granularity = 'r' AND ordinal = 0")
    found = findings(copy)
    assert any("datapoints before it are missing" in finding.text for finding in found)


def test_a_missing_time_column_is_found_for_each_stream_that_shares_it(copy, flipped):
    copy.change_body("1", flipped, "times")
    assert {finding.stream for finding in findings(copy)} == {"pair/a", "pair/b"}
    copy.sql("DELETE FROM times")
    found = findings(copy)
    assert {finding.stream for finding in found} == {"pair/a", "pair/b"}
    assert "is missing" in found[0].text


def test_a_missing_body_is_found(copy):
    copy.sql("DELETE FROM bodies")
    assert any("body is missing" in finding.text for finding in findings(copy))


def test_an_index_that_lies_is_found(copy):
    copy.sql(
        f"UPDATE blocks SET to_ns = to_ns + 1 WHERE stream = {NUMBER} AND granularity = 'r'"
        " AND ordinal = 0"
    )
    (finding, *_) = findings(copy)
    assert "the index says last time" in finding.text


@pytest.mark.parametrize("field", ["mean", "min", "count", "m2", "t_mean", "flags", "last"])
def test_a_rollup_that_is_not_what_its_datapoints_give_is_found(copy, field):
    def change(body):
        table = codec.decode_block(body)
        header = codec.read_header(body)
        column = table.columns[field].copy()
        column[len(column) // 2] += 100 if field == "t_mean" else 1
        table.columns[field] = column
        return codec.encode_block(table, header.granularity)

    key = copy.change_body(f"granularity != 'r' AND stream = {NUMBER}", change)
    with pytest.warns(InternalInconsistencyWarning, match="^1 blocks of rollups are not what"):
        (finding,) = findings(copy)
    assert finding.what == f"block {'/'.join(map(str, key))}"
    assert f"{field} of 1 buckets is wrong" in finding.text


def test_a_description_that_cannot_be_read_is_found_and_the_rest_is_checked(copy):
    copy.sql("UPDATE streams SET document = x'00ff' WHERE number = " + NUMBER)
    report = asyncio.run(verify(copy.url))
    assert len(report.findings) >= 1
    assert report.streams == 4
    assert any("cannot be read" in finding.text for finding in report.findings)


def test_a_store_beside_a_writer_is_whole(tmp_path, until):
    script = """
        import asyncio, sys, time
        from labmon import datastream
        async def main():
            async with datastream.open(sys.argv[1], seal_datapoints=64) as opened:
                one = await opened.ensure_stream({"path": "a/b"}, {}, {"mean"}, "raw")
                print("ready", flush=True)
                while True:
                    for _ in range(500):
                        await opened.append(one, 1.5)
                    await opened.commit()
        asyncio.run(main())
    """
    url = f"sqlite:///{tmp_path}/live.db"
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), url], stdout=subprocess.PIPE
    )
    try:
        assert process.stdout.readline() == b"ready\n"
        counts = []
        for _ in range(5):
            report = asyncio.run(verify(url))
            assert report.findings == []
            counts.append(report.datapoints)
        until(lambda: asyncio.run(verify(url)).datapoints > counts[0])
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_late_data_among_many_streams_is_whole(tmp_path):
    rng = np.random.default_rng(11)

    async def run():
        url = f"sqlite:///{tmp_path}/late.db"
        async with datastream.open(url, seal_datapoints=128) as opened:
            for path, scale in (("a/1", 1e9), ("a/2", 1e-9), ("a/3", 1.0)):
                one = await opened.ensure_stream(
                    {"path": path}, {}, {"mean", "std_dev", "min"}, Granularity.Raw
                )
                for _ in range(6):
                    base = int(rng.integers(0, 10**12))
                    for i in rng.integers(0, 10**10, 700).tolist():
                        value = float(rng.standard_normal()) * scale
                        await opened.append(one, value, base + i, check_timestamp=False)
                    await opened.commit()
        return await verify(url)

    assert asyncio.run(run()).findings == []


def test_buckets_with_unsure_datapoints_are_not_judged():
    from labmon.datastream import downsample
    from labmon.datastream.columns import Columns

    columns = Columns(np.arange(100) * 10**9, np.arange(100) / 2)
    right = downsample.roll_up(columns, 10 * 10**9)
    partial = downsample.roll_up(columns[:35], 10 * 10**9)
    assert difference(right, partial, 10 * 10**9, []) == (
        "0 buckets are missing, 6 have no datapoints"
    )
    assert difference(right, partial, 10 * 10**9, [(35 * 10**9, 99 * 10**9)]) == ""
