"""How streams are made, found and tagged."""

import json

import pytest

from labmon.datastream import Granularity, exceptions


async def make(streams, path="w/a", tags=None, downsamplers=("mean",), **options):
    return await streams.ensure_stream({"path": path}, tags or {}, downsamplers, "raw", **options)


async def test_a_stream_is_made_once(streams):
    first = await make(streams, tags={"unit": "V"})
    again = await make(streams, tags={"unit": "V", "label": "Voltage"})
    assert first == again
    assert (await streams.get_tags(first))["label"] == "Voltage"
    assert await (await streams.find_streams()).count() == 1


async def test_tags_of_a_new_stream_are_those_asked_for_and_those_given(streams):
    stream = await streams.ensure_stream(
        {"device": "gauge", "n": {"gt": 3}}, {"n": 4, "title": "p", "deep": {"a": 1}}, [], "raw"
    )
    told = await streams.get_tags(stream)
    assert (told["device"], told["title"], told["deep"]) == ("gauge", "p", {"a": 1})
    assert told["n"] == 4


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"downsamplers": ["mean", "min"]}, "value_downsamplers"),
        ({"value_type_options": {"high_accuracy": True}}, "value_type_options"),
        ({"tags": {"unit": "mV"}}, "unit"),
        ({"value_type": "nominal", "downsamplers": ["count"]}, "value_type"),
        ({"tags": {"path": "w/b"}}, "path"),
    ],
)
async def test_any_other_difference_is_refused(streams, changes, word):
    stream = await make(streams, tags={"unit": "V"})
    before = streams.describe(stream)
    with pytest.raises(exceptions.InconsistentStreamConfiguration, match=word):
        await make(streams, **changes)
    assert streams.describe(stream) == before


async def test_what_was_recorded_gets_no_other_unit(streams):
    stream = await make(streams)
    await streams.update_tags(stream, {"unit": "mV"})  # nothing was recorded yet
    with pytest.raises(exceptions.InconsistentStreamConfiguration, match="unit"):
        await streams.update_tags(stream, {"unit": "V", "label": "x"})
    assert "label" not in streams.describe(stream)
    bare = await make(streams, "w/bare")
    await streams.append(bare, 1.0)
    with pytest.raises(exceptions.InconsistentStreamConfiguration, match="unit"):
        await streams.update_tags(bare, {"unit": "V"})


async def test_a_descriptor_is_plain_json(streams):
    stream = await make(streams, tags={"unit": "V"})
    told = await streams.get_tags(stream)
    assert json.loads(json.dumps(told)) == told
    assert told["highest_granularity"] == "Raw"


async def test_another_granularity_is_refused(streams):
    await make(streams)
    with pytest.raises(exceptions.InconsistentStreamConfiguration, match="highest_granularity"):
        await streams.ensure_stream({"path": "w/a"}, {}, ["mean"], Granularity.Seconds)


async def test_implied_downsamplers_make_no_difference(streams):
    stream = await make(streams, downsamplers=["std_dev"])
    told = streams.describe(stream)["value_downsamplers"]
    assert told == ["mean", "sum", "std_dev", "count"]
    assert await make(streams, downsamplers={"std_dev", "mean", "count"}) == stream


async def test_several_matches_are_refused(streams):
    await streams.ensure_stream({"path": "a"}, {"kind": "x"}, [], "raw")
    await streams.ensure_stream({"path": "b"}, {"kind": "x"}, [], "raw")
    with pytest.raises(exceptions.MultipleStreamsReturned):
        await streams.ensure_stream({"kind": "x"}, {}, [], "raw")


async def test_a_path_belongs_to_one_stream(streams):
    await make(streams)
    with pytest.raises(exceptions.InconsistentStreamConfiguration, match="path"):
        await streams.ensure_stream({"title": "other"}, {"path": "w/a"}, [], "raw")
    other = await make(streams, "w/b")
    with pytest.raises(exceptions.InconsistentStreamConfiguration, match="path"):
        await streams.update_tags(other, {"path": "w/a"})
    await streams.update_tags(other, {"path": "w/c"})
    assert streams.stream_id("w/b") is None
    assert streams.stream_id("w/c") == other
    await streams.clear_tags(other)
    assert streams.paths() == ["w/a"]


@pytest.mark.parametrize("path", ["", "/a", "a//b", "a\nb", "../x", "x" * 256])
async def test_a_path_is_a_name(streams, path):
    with pytest.raises(ValueError, match=r"name|contains|begins|segment"):
        await make(streams, path)
    assert await (await streams.find_streams()).count() == 0


@pytest.mark.parametrize(
    "tags", [{"a__b": 1}, {"stream_id": "x"}, {"deep": {"x__": 1}}, {"list": [{"value_type": 1}]}]
)
async def test_reserved_names_are_refused_at_any_depth(streams, tags):
    with pytest.raises(exceptions.ReservedTagNameError):
        await make(streams, tags=tags)
    stream = await make(streams)
    with pytest.raises(exceptions.ReservedTagNameError):
        await streams.update_tags(stream, tags)
    with pytest.raises(exceptions.ReservedTagNameError):
        await streams.remove_tag(stream, "stream_id")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"downsamplers": ["median"]}, exceptions.UnsupportedDownsampler),
        ({"downsamplers": ["most_often"]}, exceptions.UnsupportedDownsampler),
        ({"value_type": "nominal", "downsamplers": ["mean"]}, exceptions.UnsupportedDownsampler),
        ({"value_type": "text"}, exceptions.UnsupportedValueType),
        ({"value_type_options": {"fast": True}}, exceptions.UnsupportedValueType),
        ({"tags": {"x": object()}}, TypeError),
        ({"tags": {1: 2}}, TypeError),
    ],
)
async def test_what_makes_no_sense_is_refused_and_leaves_nothing(streams, arguments, error):
    with pytest.raises(error):
        await make(streams, **arguments)
    assert await (await streams.find_streams()).fetch() == []


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (None, "abc"),
        ({}, "abc"),
        ({"title": {"iexact": "LASER ONE"}}, "a"),
        ({"title": {"icontains": "laser"}}, "ab"),
        ({"n": {"gt": 1}}, "bc"),
        ({"n": {"gte": 1, "lt": 3}}, "ab"),
        ({"n": {"lte": 1}}, "a"),
        ({"n": {"in": [1, 3]}}, "ac"),
        ({"n": {"nin": [1, 3]}}, "b"),
        ({"missing": {"nin": [1]}}, "abc"),
        ({"missing": 1}, ""),
        ({"labels": "red"}, "ab"),
        ({"labels": {"all": ["red", "hot"]}}, "a"),
        ({"labels": {"in": ["hot", "cold"]}}, "ac"),
        ({"place": {"room": 12}}, "b"),
        ({"place": {"room": {"gt": 12}}}, "c"),
        ({"title": {"gt": 5}}, ""),
        ({"path": "b", "n": 2}, "b"),
        ({"path": "b", "n": 1}, ""),
    ],
)
async def test_streams_are_found_by_tags(streams, query, found):
    tags = {
        "a": {"title": "Laser one", "n": 1, "labels": ["red", "hot"]},
        "b": {"title": "laser two", "n": 2, "labels": ["red"], "place": {"room": 12, "x": 1}},
        "c": {"title": "Gauge", "n": 3, "labels": ["cold"], "place": {"room": 13}},
    }
    ids = {path: await make(streams, path, own) for path, own in tags.items()}
    assert [one["path"] async for one in await streams.find_streams(query)] == list(found)
    by_id = await (await streams.find_streams({"stream_id": ids["b"]})).fetch()
    assert [one["path"] for one in by_id] == ["b"]


async def test_an_operator_that_takes_a_list_says_so(streams):
    await make(streams, tags={"n": 1})
    with pytest.raises(TypeError, match="takes a list"):
        await (await streams.find_streams({"n": {"in": 5}})).fetch()


async def test_a_descriptor_tells_what_there_is(streams, clock):
    stream = await make(streams, tags={"unit": "V"})
    told = streams.describe(stream)
    assert told["latest_datapoint"] is None
    assert told["count"] == 0
    await streams.append(stream, 1.0, 61_000_000_000)
    told = streams.describe(stream)
    assert told["stream_id"] == stream
    assert told["latest_datapoint"] == told["earliest_datapoint"] == 61_000_000_000
    assert told["downsampled_until"]["Minutes"] == 60_000_000_000
    assert (told["value_type"], told["count"]) == ("numeric", 1)
    assert told["contributes_to"] == []
    assert told["pending_backprocess"] is False


async def test_streams_are_found_by_what_their_descriptors_tell_beside_tags(streams, clock):
    one = await make(streams, "w/one", {"unit": "V"})
    two = await streams.ensure_stream({"path": "w/two"}, {}, [], "raw", value_type="nominal")
    slope = await streams.ensure_stream({"path": "w/slope"}, {}, [], "raw", [one], "derivative")
    await streams.append(two, "on", 5)

    async def found(query):
        return [stream["stream_id"] async for stream in await streams.find_streams(query)]

    assert await found({"value_type": "nominal"}) == [two]
    assert await found({"stream_id": {"in": [one, slope]}, "unit": "V"}) == [one]
    assert await found({"stream_id": two, "unit": "V"}) == []
    assert await found({"contributes_to": slope}) == [one]
    assert await found({"derive_op": "derivative"}) == [slope]
    assert await found({"latest_datapoint": {"gte": 5}}) == [two]
    assert await found({"value_downsamplers": "mean"}) == [one]
    with pytest.raises(exceptions.ReservedTagNameError):
        await streams.ensure_stream({"value_type": "graph"}, {}, [], "raw")


@pytest.mark.parametrize("query", [[1], "w/a", 5, {"n": {"in": "abc"}}, {"n": {"m": {"all": 5}}}])
async def test_what_is_no_query_is_refused_also_where_there_is_no_stream(streams, query):
    with pytest.raises(TypeError):
        await streams.find_streams(query)
    with pytest.raises(TypeError):
        await streams.delete_streams(query)
    with pytest.raises(TypeError):
        await streams.ensure_stream(query, {}, [], "raw")


async def test_the_unit_of_what_was_recorded_cannot_be_taken_away(streams):
    stream = await make(streams, tags={"unit": "V", "title": "x"})
    await streams.remove_tag(stream, "unit")  # nothing was recorded yet
    await streams.update_tags(stream, {"unit": "mV"})
    await streams.append(stream, 1.0)
    with pytest.raises(exceptions.InconsistentStreamConfiguration, match="unit"):
        await streams.remove_tag(stream, "unit")
    await streams.remove_tag(stream, "title")
    await streams.clear_tags(stream)
    assert streams.describe(stream)["unit"] == "mV"
    assert "path" not in streams.describe(stream)
    for wrong in (5, None, ["unit"]):
        with pytest.raises(TypeError, match="text"):
            await streams.remove_tag(stream, wrong)


@pytest.mark.parametrize(
    ("query", "tags"), [({"n": 1}, {"n": 2}), ({"title": {"iexact": "x"}}, {}), ({"n": {}}, {})]
)
async def test_a_stream_that_its_own_query_would_not_find_is_not_made(streams, query, tags):
    """Each call would make another one."""
    if query == {"n": {}}:
        first = await streams.ensure_stream(query, tags, [], "raw")
        assert await streams.ensure_stream(query, tags, [], "raw") == first
        return
    with pytest.raises(ValueError, match="is not what"):
        await streams.ensure_stream(query, tags, [], "raw")
    assert await (await streams.find_streams()).count() == 0
    title = {"title": {"iexact": "x"}}
    first = await streams.ensure_stream(title, {"title": "X"}, [], "raw")
    assert await streams.ensure_stream(title, {"title": "X"}, [], "raw") == first


async def test_a_path_may_be_written_with_accents_of_either_kind(streams):
    composed, decomposed = "ofen/kühler", "ofen/ku\u0308hler"
    first = await make(streams, decomposed, {"unit": "K"})
    assert await make(streams, composed, {"path": decomposed}) == first
    assert await make(streams, decomposed) == first
    assert [one["path"] async for one in await streams.find_streams({"path": decomposed})] == [
        composed
    ]


async def test_a_descriptor_can_be_changed_without_the_stream(streams):
    stream = await make(streams, tags={"place": {"room": 1}})
    told = await streams.get_tags(stream)
    told["place"]["room"] = 2
    told["value_type_options"]["high_accuracy"] = True
    told["value_downsamplers"].clear()
    assert (await streams.get_tags(stream))["place"] == {"room": 1}
    assert (await streams.get_tags(stream))["value_type_options"] == {}
    assert await make(streams) == stream


async def test_an_option_that_is_off_is_no_option(streams):
    stream = await make(streams, value_type_options={"high_accuracy": False})
    assert await make(streams) == stream
    with pytest.raises(exceptions.UnsupportedValueType, match="True or False"):
        await make(streams, "w/b", value_type_options={"high_accuracy": "no"})
