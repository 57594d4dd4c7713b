"""How long what is kept: the words, the ladder, and what config.yaml says of it."""

import pytest

from labmon import config, keeping
from labmon.errors import ConfigError


@pytest.fixture
def load(tmp_path):
    def load(text):
        path = tmp_path / "config.yaml"
        path.write_text(text)
        return config.load(path)

    return load


def entry(keys):
    return f"recording:\n  retention:\n    - {{{keys}}}\n"


def test_nothing_is_said_by_default(load):
    assert load("").recording.retention == []
    assert load("recording: {retention: }").recording.retention == []


def test_an_entry_names_streams_and_for_how_long_what_is_kept(load):
    (found,) = load(entry("streams: 'wavemeter/**', raw: 30d, minutes: 2y")).recording.retention
    assert found.streams == ["wavemeter/**"]
    assert found.keep == {"raw": "30d", "minutes": "2y"}
    (found,) = load(entry("tags: {device: bench}, raw: 8w, days: forever")).recording.retention
    assert (found.streams, found.tags) == (["**"], {"device": "bench"})


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ("raw: 30, days: 2y", "retention.0.raw: found '30', allowed: 30d, 8w, 2y"),
        ("raw: 12h, days: 2y", "retention.0.raw: found '12h', allowed: 30d, 8w, 2y"),
        ("raw: 0d, days: 2y", "retention.0.raw: found '0d', allowed"),
        ("raw: 30d, minutes: 2w", "minutes would go before raw, which is kept 30 days"),
        ("raw: forever, days: 2w", "days would go before raw, which is kept for ever"),
        ("days: 2w", "days would go before raw, which is kept for ever"),
        ("raw: 30d", "say too what stays in its place, such as minutes: forever"),
        ("streams: a/*", "retention.0: say how long what is kept: any of raw, seconds"),
        ("rwa: 30d", "retention.0.rwa: unknown key (did you mean 'raw'?)"),
        ("streams: 'a(b)', raw: 1d, days: 1d", "is no glob of stream names"),
        ("streams: 5, raw: 1d, days: 1d", "retention.0.streams: found 5, allowed: a glob such as"),
        ("tags: x, raw: 1d, days: 1d", 'retention.0.tags: found "x", allowed: tags'),
        ("tags: {a: [1]}, raw: 1d, days: 1d", "allowed: tags with a text or number each"),
    ],
)
def test_what_is_wrong_is_told_with_line_and_key(load, keys, problem):
    with pytest.raises(ConfigError) as caught:
        load(entry(keys))
    assert "config.yaml:3: recording." in str(caught.value)
    assert problem in str(caught.value)


def test_retention_is_a_list(load):
    with pytest.raises(ConfigError, match=r"recording.retention: found \{.*\}, allowed: a list"):
        load("recording: {retention: {raw: 30d}}")
    with pytest.raises(ConfigError, match=r"retention\.0: found 5, allowed: keys"):
        load("recording: {retention: [5]}")


def test_levels_between_go_with_the_finer_one_and_beyond_the_last_all_stays():
    kept = keeping.ladder({"raw": "30d", "minutes": "2y"})
    assert kept == {
        "raw": 30, "seconds": 30, "seconds10": 30, "minutes": 730,
        "minutes10": None, "hours": None, "hours6": None, "days": None,
    }  # fmt: skip
    assert set(keeping.ladder({"raw": "8w", "days": "8w"}).values()) == {56}
    assert set(keeping.ladder({"raw": "forever"}).values()) == {None}
