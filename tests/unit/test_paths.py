import pytest

from labmon.paths import Selection, check_name


@pytest.mark.parametrize("name", ["wavemeter/ch1", "a", "Ca ion/Frequenz-2", "π/Δ_2.5", "x" * 255])
def test_names_of_streams(name):
    assert check_name(name) == name


def test_names_are_normalised():
    assert check_name("Ku\u0308hler") == "K\u00fchler"


@pytest.mark.parametrize(
    "name",
    [
        "",
        " a",
        "a ",
        "/a",
        "a/",
        "a//b",
        "a/../b",
        ".",
        "x" * 256,
        "a\r\nb",
        "<img>",
        'a"b',
        "a\u202eb",
    ],
)
def test_what_is_no_name_is_refused_with_a_reason(name):
    with pytest.raises(ValueError, match=r"name|contains|begins|segment"):
        check_name(name)


@pytest.mark.parametrize(
    ("glob", "path", "selected"),
    [
        ("wavemeter/ch1", "wavemeter/ch1", True),
        ("wavemeter/*", "wavemeter/ch1", True),
        ("wavemeter/*", "wavemeter/a/b", False),
        ("wavemeter/*", "wavemeter/_state", False),
        ("wavemeter/_*", "wavemeter/_state", True),
        ("*/_state", "gauge/_state", True),
        ("**", "a/b/c", True),
        ("**", "a/_health/rate", False),
        ("**/_health/*", "a/_health/rate", True),
        ("**/ch1", "ch1", True),
        ("**/ch1", "a/b/ch1", True),
        ("a/**/z", "a/z", True),
        ("a/**/z", "a/_b/z", False),
        ("w/ch?", "w/ch1", True),
        ("w/ch?", "w/ch12", False),
        ("w.v", "wxv", False),
        ("*", "w/ch1", False),
    ],
)
def test_globs(glob, path, selected):
    assert (path in Selection((glob,))) is selected


def test_several_globs_select_what_any_of_them_selects():
    selection = Selection(("a/*", "b/1", "a/*"))
    assert selection.globs == ("a/*", "b/1")
    assert selection.indexes(("a/1", "b/1", "b/2")) == (0, 1)
    assert selection.indexes(("a/1", "b/1")) is None
    assert selection.indexes(("c/1",)) == ()


@pytest.mark.parametrize("glob", ["", "a(b", "a|b", "[a-z]+", "x" * 300])
def test_a_pattern_that_is_no_glob_is_refused(glob):
    with pytest.raises(ValueError, match="no glob"):
        Selection((glob,))
