"""Graphs, downsampled values and words: checked, stored, and downsampled."""

from decimal import Decimal
from fractions import Fraction

import pytest

from labmon.datastream import exceptions

GRAPH = {"v": [{"i": "a", "name": "A"}, {"i": 2}], "e": [{"f": "a", "t": 2, "weight": 1}]}


async def fetch(streams, stream, granularity="raw"):
    return await (await streams.get_data(stream, granularity, 0)).fetch()


async def test_a_graph_comes_back_and_its_newest_stands_for_a_bucket(streams):
    stream = await streams.ensure_stream(
        {"path": "g"}, {}, ["count", "last"], "raw", value_type="graph"
    )
    await streams.append(stream, GRAPH, 1)
    await streams.append(stream, {"v": [], "e": []}, 2)
    await streams.append(stream, None, 3)
    assert [p["v"] for p in await fetch(streams, stream)] == [GRAPH, {"v": [], "e": []}, None]
    (day,) = await fetch(streams, stream, "days")
    assert day["v"] == {"c": 2, "z": {"v": [], "e": []}}


@pytest.mark.parametrize(
    ("graph", "reason"),
    [
        ({"v": [{"i": 1}, {"i": 1}]}, "there twice"),
        ({"v": [{"i": 1}], "e": [{"f": 1, "t": 2}]}, "unknown vertex"),
        ({"v": [{"name": 1}]}, "has"),
        ({"v": [{"i": 1}], "e": [{"f": 1}]}, "has"),
        ({"v": {}}, "list"),
        ({"x": []}, "a graph is"),
        ([1], "a graph is"),
        (5, "a graph is"),
    ],
)
async def test_a_graph_that_is_none_is_refused(streams, graph, reason):
    stream = await streams.ensure_stream({"path": "g"}, {}, ["count"], "raw", value_type="graph")
    with pytest.raises((ValueError, exceptions.UnsupportedValueType), match=reason):
        await streams.append(stream, graph)


async def test_downsampled_values_are_taken_with_exactly_their_keys(streams):
    stream = await streams.ensure_stream({"path": "d"}, {}, ["mean", "min", "max"], "seconds")
    given = {"mean": 2.0, "sum": 6.0, "min": 1.0, "max": 4.0, "count": 3}
    await streams.append(stream, given, 10)
    await streams.append(stream, {"m": 5.0, "s": 5.0, "l": 5.0, "u": 5.0, "c": 1}, 20)
    await streams.append(stream, 7.0, 30)
    assert (await fetch(streams, stream))[0]["v"] == given
    (minute,) = await fetch(streams, stream, "minutes")
    assert minute["v"] == {"c": 5, "s": 18.0, "m": 3.6, "l": 1.0, "u": 7.0}
    for wrong in (
        {"mean": 2.0},
        {**given, "std_dev": 1.0},
        {**given, "m": 2.0},
        {**given, "mean": "2"},
        {**given, "count": 1.5},
        {**given, "count": -1},
    ):
        with pytest.raises((ValueError, exceptions.UnsupportedValueType)):
            await streams.append(stream, wrong)


async def test_downsampled_values_survive_blocks_and_restarts(streams, backend, clock):
    from labmon import datastream

    stream = await streams.ensure_stream({"path": "d"}, {}, ["mean"], "raw")
    for i in range(70):
        await streams.append(stream, {"mean": 1.0 * i, "sum": 2.0 * i, "count": 2}, clock.step(1))
    await streams.commit()
    await streams._engine.sealer.idle()
    async with datastream.open(backend, clock=clock, seal_datapoints=64) as again:
        found = await fetch(again, stream)
        assert found[69]["v"] == {"mean": 69.0, "sum": 138.0, "count": 2}
        (day,) = await fetch(again, stream, "days")
        assert (day["v"]["c"], day["v"]["m"]) == (140, 34.5)


async def test_words_are_counted(streams):
    stream = await streams.ensure_stream(
        {"path": "n"}, {}, ["most_often", "least_often", "frequencies"], "raw", value_type="nominal"
    )
    for i, word in enumerate(["on", "off", "on", None, "on"]):
        await streams.append(stream, word, i)
    (day,) = await fetch(streams, stream, "days")
    assert day["v"] == {"c": 4, "o": "on", "r": "off", "f": {"on": 3, "off": 1}}


async def test_decimals_are_exact_where_they_are_stored_and_floats_in_rollups(streams, clock):
    stream = await streams.ensure_stream(
        {"path": "w/d"}, {}, ["mean", "min"], "raw", value_type_options={"high_accuracy": True}
    )
    long = Decimal("123456789.0123456789012345678901234567890")
    for i, value in enumerate([Decimal("0.1"), Decimal("0.2"), "0.3", 0.1, 2]):
        await streams.append(stream, value, i)
    minute = (await (await streams.get_data(stream, "minutes", 0)).fetch())[0]["v"]
    assert minute == {"m": 0.54, "s": 2.7, "l": 0.1, "c": 5}  # and not 2.7000000000000006
    await streams.append(stream, long, 60 * 10**9)
    for _ in range(2):
        raw = await (await streams.get_data(stream, "raw", 60 * 10**9)).fetch(slice(1))
        assert raw == [{"t": 60 * 10**9, "v": long}]
        later = await (await streams.get_data(stream, "minutes", 60 * 10**9)).fetch()
        assert later[0]["v"] == {"m": float(long), "s": float(long), "l": float(long), "c": 1}
        for _ in range(64):  # into blocks
            await streams.append(stream, None, 120 * 10**9)
        await streams.commit()
        await streams._engine.sealer.idle()
    for wrong in (Fraction(1, 3), True, "abc", b"1", 1j):
        with pytest.raises(exceptions.UnsupportedValueType):
            await streams.append(stream, wrong)


async def test_integers_beyond_floats_are_exact_where_they_are_stored(streams):
    stream = await streams.ensure_stream({"path": "w/i"}, {}, ["mean", "std_dev"], "raw")
    values = [2**53 + 1 + i for i in range(6)]
    for i, value in enumerate(values):
        await streams.append(stream, value, i)
    assert (await streams.get_arrays(stream, "raw", 0, 9))["v"].tolist() == values
    minute = (await (await streams.get_data(stream, "minutes", 0)).fetch())[0]["v"]
    assert minute["s"] == float(sum(values))
    assert minute["m"] == float(2**53 + 3.5)
    assert minute["d"] == pytest.approx(1.707825127659933, rel=1e-15)


async def test_json_has_no_infinities_within(streams):
    stream = await streams.ensure_stream({"path": "w/n"}, {}, [], "raw", value_type="nominal")
    await streams.append(stream, {"a": [float("inf"), float("nan"), (1, 2)]}, 1)
    await streams.append(stream, float("inf"), 2)
    found = await (await streams.get_data(stream, "raw", 0)).fetch()
    assert [point["v"] for point in found] == [{"a": [None, None, [1, 2]]}, float("inf")]


async def test_downsampled_values_are_their_means_in_columns_graphs_and_derived_streams(streams):
    stream = await streams.ensure_stream({"path": "w/s"}, {}, ["std_dev", "min"], "seconds")
    slope = await streams.ensure_stream({"path": "s"}, {}, [], "seconds", [stream], "derivative")
    for i in range(70):
        value = {"mean": 2.0 * i, "sum": 8.0 * i, "std_dev": 0.5, "count": 4, "min": 2.0 * i - 1}
        await streams.append(stream, value, i * 10**9)
    await streams.append(stream, 3.5, 70 * 10**9)
    await streams.append(stream, None, 71 * 10**9)
    await streams.commit()
    await streams._engine.sealer.idle()
    raw = await streams.get_arrays(stream, "raw", 0, 2**62)
    assert raw["v"][:70].tolist() == [2.0 * i for i in range(70)]
    assert raw["v"][70] == 3.5
    assert raw["v"][71] != raw["v"][71]
    graph = await streams.get_graph(stream, 0, 100 * 10**9, 100)
    assert graph.columns["v"][:70].tolist() == raw["v"][:70].tolist()
    total = await streams.aggregate(stream, 0, 70 * 10**9, ["count", "mean", "min"])
    assert total == {"count": 280, "mean": 69.0, "min": -1.0}
    await streams.backprocess_streams()
    assert (await streams.get_arrays(slope, "raw", 0, 2**62))["v"][:60].tolist() == [2.0] * 60
    wrong = {"mean": 1, "sum": 1, "std_dev": -1, "count": 1, "min": 1}
    with pytest.raises(ValueError, match="not negative"):
        await streams.append(stream, wrong, 72 * 10**9)
