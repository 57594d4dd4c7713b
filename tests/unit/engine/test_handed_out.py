"""What a question gives belongs to whoever asked: changing it changes nothing in the store."""

import numpy as np
import pytest

SECOND = 1_000_000_000


@pytest.fixture
async def numbers(streams):
    """Some in blocks, some in the head, with rollups of both."""
    stream = await streams.ensure_stream({"path": "n"}, {}, ["mean", "min"], "raw")
    await streams.append_array(stream, np.arange(200) * SECOND, np.arange(200.0))
    for i in range(200, 210):
        await streams.append(stream, float(i), i * SECOND)
    return stream


def change(columns):
    for values in columns:
        with pytest.raises(ValueError, match="read-only"):
            values[:] = 7


@pytest.mark.parametrize("start", [0, 205 * SECOND])
@pytest.mark.parametrize("granularity", ["raw", "seconds", "minutes"])
async def test_columns_cannot_be_changed(streams, numbers, granularity, start):
    first = await streams.get_arrays(numbers, granularity, start, 300 * SECOND)
    copies = {name: values.copy() for name, values in first.items()}
    change(first.values())
    again = await streams.get_arrays(numbers, granularity, start, 300 * SECOND)
    assert all(np.array_equal(again[name], copies[name]) for name in copies)


@pytest.mark.parametrize("points", [1, 20, 1000])
async def test_columns_of_graphs_cannot_be_changed(streams, numbers, points):
    change((await streams.get_graph(numbers, 0, 300 * SECOND, points)).columns.values())


async def test_what_a_follower_is_told_cannot_be_changed(streams, numbers):
    told = streams.follow([numbers], 0)
    columns = (await anext(told)).columns[numbers]
    change([columns.t, columns.v])
    await streams.append(numbers, 1.0, 300 * SECOND)
    live = (await anext(told)).columns[numbers]
    change([live.t, live.v])
    await told.aclose()


async def test_json_values_are_copies(streams):
    stream = await streams.ensure_stream(
        {"path": "w"}, {}, ["frequencies"], "raw", value_type="nominal"
    )
    given = {"list": [1]}
    answer = await streams.append(stream, given, 0)
    given["list"].append(2)
    answer["datapoint"]["v"]["list"].append(3)
    streams.latest(stream)[1]["list"].append(4)
    for point in await (await streams.get_data(stream, "raw", 0)).fetch():
        point["v"]["list"].append(5)
    (await streams.get_arrays(stream, "raw", 0, 1))["v"][0]["list"].append(6)
    assert (await (await streams.get_data(stream, "raw", 0)).fetch())[0]["v"] == {"list": [1]}


@pytest.mark.parametrize("granularity", ["seconds", "minutes"])
async def test_frequencies_are_copies(streams, granularity):
    stream = await streams.ensure_stream(
        {"path": "w"}, {}, ["frequencies", "most_often"], "raw", value_type="nominal"
    )
    for i in range(300):
        await streams.append(stream, "on", i * SECOND // 10)
    for _ in range(2):
        point = (await (await streams.get_data(stream, granularity, 0)).fetch())[0]
        point["v"]["f"]["off"] = 10**6
        (await streams.get_arrays(stream, granularity, 0, SECOND))["frequencies"][0]["x"] = 10**6
        (await streams.aggregate(stream, 0, 60 * SECOND, ["frequencies"]))["frequencies"]["y"] = 1
    assert (await (await streams.get_data(stream, granularity, 0)).fetch())[0]["v"]["o"] == "on"
    told = await streams.aggregate(stream, 0, 60 * SECOND, ["frequencies", "most_often"])
    assert told == {"frequencies": {"on": 300}, "most_often": "on"}


async def test_a_datapoint_that_came_downsampled_is_a_copy(streams):
    stream = await streams.ensure_stream({"path": "d"}, {}, ["mean"], "raw")
    await streams.append(stream, {"mean": 2.0, "sum": 6.0, "count": 3}, 0)
    (await (await streams.get_data(stream, "raw", 0)).fetch())[0]["v"]["mean"] = 99.0
    assert (await streams.aggregate(stream, 0, SECOND, ["mean"])) == {"mean": 2.0}
