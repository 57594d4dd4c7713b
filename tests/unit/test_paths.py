import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


def test_globs_are_normalised_as_names_are():
    assert "Büro/t" in Selection(("Bu\u0308ro/*",))
    assert Selection(("Bu\u0308ro/*",)) == Selection(("Büro/*",))


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


def matches(globs, segments):
    """What a glob selects, segment by segment, as the module's docstring says it."""
    if not globs:
        return not segments
    if globs[0] == "**":
        if len(globs) == 1:
            return bool(segments) and not any(each.startswith("_") for each in segments)
        visible = segments and not segments[0].startswith("_")
        return matches(globs[1:], segments) or (visible and matches(globs, segments[1:]))
    return bool(segments) and fits(globs[0], segments[0]) and matches(globs[1:], segments[1:])


def fits(glob, segment, *, is_first=True):
    if is_first and segment.startswith("_") and not glob.startswith("_"):
        return False
    if not glob:
        return not segment
    if glob[0] == "*":
        rest = glob.lstrip("*")
        return any(fits(rest, segment[i:], is_first=False) for i in range(len(segment) + 1))
    is_same = bool(segment) and glob[0] in {"?", segment[0]}
    return is_same and fits(glob[1:], segment[1:], is_first=False)


@given(
    st.lists(st.just("**") | st.text("ab_*?", min_size=1, max_size=5), min_size=1, max_size=5),
    st.lists(st.text("ab_", min_size=1, max_size=5), min_size=1, max_size=5),
)
def test_a_glob_selects_what_the_rules_say(globs, segments):
    globs = ["**" if set(each) == {"*"} and len(each) > 1 else each for each in globs]
    is_selected = "/".join(segments) in Selection(("/".join(globs),))
    assert is_selected == bool(matches(globs, segments))


@pytest.mark.parametrize(
    ("glob", "path"),
    [
        ("*a" * 60 + "*b", "a" * 255),
        ("*a?" * 40 + "*b", "a" * 255),
        ("**/a/" * 40 + "b", "a/" * 127 + "a"),
        ("**/*a*a*/" * 20 + "**/b", "aaa/" * 63 + "c"),
    ],
)
def test_no_glob_takes_long(glob, path):
    began_s = time.perf_counter()
    assert path not in Selection((glob,))
    assert time.perf_counter() - began_s < 0.1
