import pytest

from labmon.reading import Batch, Quality, quality_from_words, quality_words


def batch(**changes):
    columns = {"paths": ("gauge/p", "gauge/t"), "values": (1e-9, None), "qualities": b"\0\1"}
    return Batch("gauge", 5, **{**columns, **changes})


def test_a_batch_knows_its_readings_and_their_numbers():
    numbered = batch().numbered(10)
    assert len(numbered) == 2
    assert numbered.last_seq == 11
    assert [tuple(r) for r in numbered.readings()] == [
        ("gauge/p", 5, 1e-9, Quality.OK),
        ("gauge/t", 5, None, Quality.NO_SIGNAL),
    ]


@pytest.mark.parametrize("changes", [{"values": (1,)}, {"qualities": b""}, {"paths": ()}])
def test_columns_of_different_length_are_refused(changes):
    with pytest.raises(ValueError, match="equally many"):
        batch(**changes)


@pytest.mark.parametrize(
    ("quality", "words"),
    [
        (0, ["ok"]),
        (Quality.OVER_RANGE | Quality.SIMULATED, ["over_range", "simulated"]),
        (Quality.FAULT | Quality.LATE | Quality.CLOCK_STEP, ["fault", "late", "clock_step"]),
    ],
)
def test_a_quality_is_spoken_and_understood(quality, words):
    assert quality_words(quality) == words
    assert quality_from_words(words) == quality


def test_an_unknown_code_counts_as_a_fault():
    assert quality_words(0x0F) == ["fault"]


def test_an_unknown_word_names_the_known_ones():
    with pytest.raises(ValueError, match="no_signal"):
        quality_from_words("bad")


def test_two_codes_at_once_are_refused():
    with pytest.raises(ValueError, match="one quality code"):
        quality_from_words(["limit", "fault"])
