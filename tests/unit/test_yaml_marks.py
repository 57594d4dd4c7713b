"""YAML without its traps: what it would read as something else is text, or refused."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labmon.errors import ConfigError
from labmon.yaml_marks import MAX_ALIASES, parse


def texts(text: str) -> list[str]:
    return [str(problem) for problem in parse(text, "FILE").problems]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("1e-3", 1e-3),
        ("-1.5E+10", -1.5e10),
        (".5", 0.5),
        ("5.", 5.0),
        ("0", 0),
        ("+12", 12),
        ("0x1F", 31),
        ("0o17", 15),
        ("-.inf", float("-inf")),
        ("true", True),
        ("~", None),
        ("", None),
        ("no", "no"),
        ("on", "on"),
        ("y", "y"),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        ("2026-11-22", "2026-11-22"),
        ("1.2.3", "1.2.3"),
        ("e3", "e3"),
        ("=", "="),
        ("'0777'", "0777"),
        ("sim://gauge", "sim://gauge"),
    ],
)
def test_a_scalar_is_what_it_looks_like(written, read):
    document = parse(f"a: {written}\n", "FILE")
    assert document.data == {"a": read}
    assert type(document.data["a"]) is type(read)
    assert not document.problems


def test_nan_is_a_number():
    value = parse("a: .nan", "FILE").data["a"]
    assert value != value


@pytest.mark.parametrize("written", ["0777", "00", "-012", "0_1"])
def test_a_number_with_a_leading_zero_is_refused(written):
    (problem,) = texts(f"a:\n  b: {written}\n")
    assert problem.startswith(f"FILE:2: {written} begins with 0, which some read as octal: write ")
    assert f"'{written}' in quotes" in problem


def test_a_repeated_key_is_refused_wherever_it_stands():
    assert texts("a: 1\nb:\n  c: 1\n  c: 2\na: 3\n") == [
        "FILE:4: the key 'c' stands already on line 3",
        "FILE:5: the key 'a' stands already on line 1",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "a: !!python/object/apply:os.system ['touch /tmp/owned']",
        "a: !!python/name:os.system",
        "a: !!set {x}",
        "a: !!binary aGk=",
        "a: !own 3",
        "a: !!bool 3",
    ],
)
def test_a_tag_makes_no_object(text):
    document = parse(text, "FILE")
    assert document.data == {"a": None}
    (problem,) = document.problems
    assert "is not allowed: write plain text" in problem.text


@pytest.mark.parametrize("key", ["true", "1.5", "~", "[1, 2]"])
def test_a_key_is_text_or_a_whole_number(key):
    assert "a key is text or a whole number" in texts(f"{key}: x")[0]


def test_numbers_that_cannot_be_kept_are_refused():
    assert "is no number that can be kept" in texts("a: " + "9" * 5000)[0]
    assert texts("a: 1e400") == ["FILE:1: 1e400 is too large for a number"]
    assert "is no number that can be kept" in texts("a: !!int ten")[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a:\n\tb: 1\n", "FILE:2: .*a tab; indent with spaces"),
        ("a: @b", "FILE:1: .*put the text in quotes"),
        ("a: b: c", "FILE:1: .*text with ': ' in it needs quotes"),
        ("a:\n  b: 1\n c: 2\n", "FILE:3: .*begin in the same column"),
        (
            'a: 1\nb: "x\nc: 1\n',
            r"FILE:4: .*a quoted scalar that begins on line 2, found unexpected end",
        ),
        ("a: {b: 1\nc:\n", r"FILE:2: .*a flow mapping that begins on line 1, "),
        ("a: *b", r"FILE:1: .*a text that begins with '\*' needs quotes"),
        ("a: 1\n---\nb: 2\n", "FILE:2: .*remove the '---'"),
        ("a: [1, 2\n", "FILE:2: "),
        ("a: 1\nb: \x01\n", "FILE:2: a character that YAML does not allow"),
    ],
)
def test_what_is_no_yaml_is_explained_with_its_line(text, message):
    with pytest.raises(ConfigError, match=message):
        parse(text, "FILE")


def laughs(levels: int) -> str:
    lines = ["l0: &l0 [ha, ha, ha, ha, ha, ha, ha, ha, ha, ha]"]
    lines += [f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 10)}]" for i in range(1, levels)]
    return "\n".join(lines)


def merges(levels: int) -> str:
    lines = ["m0: &m0 {}"]
    lines += [f"m{i}: &m{i} {{<<: [*m{i - 1}, *m{i - 1}]}}" for i in range(1, levels)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (laughs(9), "too large once its aliases"),
        (merges(60), "too large once its aliases"),
        ("a: &a [*a, *a]", "too large once its aliases"),
        ("a: &a {<<: *a}", "too large once its aliases"),
        ("[" * 5000, "nested deeper than 64 levels"),
        ("{a: " * 5000, "nested deeper than 64 levels"),
        ("a: &a x\nb: [" + "*a, " * (MAX_ALIASES + 1) + "]", "FILE:2: more than 200 aliases"),
    ],
)
def test_a_small_file_does_not_unfold_into_a_huge_one(text, message):
    with pytest.raises(ConfigError, match=message):
        parse(text, "FILE")


def test_a_mapping_may_take_over_the_keys_of_another():
    document = parse("base: &b {p: 1, q: 2}\ndevice:\n  <<: *b\n  q: 3\n", "FILE")
    assert document.data["device"] == {"p": 1, "q": 3}
    assert document.marks["device", "p"].line == 1
    assert document.marks["device", "q"].line == 4
    assert texts("a: {<<: 5}") == ["FILE:1: '<<' takes a mapping, or a list of mappings"]


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=" \n\t:-[]{},&*!|>'\"%@#?a0.~<ü\x85", max_size=60))
def test_any_text_is_a_document_or_a_config_error_with_its_line(text):
    try:
        said = [str(problem) for problem in parse(text, "FILE").problems]
    except ConfigError as error:
        said = [str(error)]
    assert all(re.match(r"FILE:[1-9]\d*: ", line) for line in said)
