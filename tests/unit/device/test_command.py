from __future__ import annotations

import enum
import math
from typing import Annotated, Any, Literal

import pytest

from labmon.device import Driver, Limits, command
from labmon.device.command import commands_of
from labmon.errors import BadRequestError, OutOfLimitsError


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Laser(Driver):
    @command
    def set_power(
        self,
        milliwatts: Annotated[float, Limits(0, 60, unit="mW")],
        channel: Annotated[int, Limits(1, 8)] = 1,
        mode: Literal["cw", "pulsed"] = "cw",
        ramp: bool = False,
        note: str | None = None,
        until: Annotated[float | None, Limits(low=0, unit="s")] = None,
    ) -> dict[str, float]:
        """Set the power,
        slowly.

        It takes a while.

        Args:
            milliwatts: what it shall be,
                at the end.
            channel (int): which output
            mode: how: one of two ways.

        Returns:
            something: not an argument.
        """
        return {"power": milliwatts}

    @command(role="admin", confirm="Really?", timeout_s=30.0, offline=True)
    def reset(self) -> None:
        """Start anew."""

    @command
    def paint(self, colour: Colour, gains: list[float], *, twice: Literal[1, 2] = 1) -> bool:
        """Paint."""
        return isinstance(colour, Colour)

    def not_offered(self) -> None: ...


COMMANDS = commands_of(Laser)
set_power = COMMANDS["set_power"]


def test_commands_stand_in_the_order_of_the_class_and_undecorated_methods_are_none():
    assert list(COMMANDS) == ["set_power", "reset", "paint"]


def test_the_schema_says_everything_a_form_needs():
    assert set_power.schema() == {
        "type": "object",
        "properties": {
            "milliwatts": {
                "type": "number",
                "minimum": 0,
                "maximum": 60,
                "unit": "mW",
                "description": "what it shall be, at the end.",
            },
            "channel": {
                "type": "integer",
                "minimum": 1,
                "maximum": 8,
                "default": 1,
                "description": "which output",
            },
            "mode": {
                "type": "string",
                "enum": ["cw", "pulsed"],
                "default": "cw",
                "description": "how: one of two ways.",
            },
            "ramp": {"type": "boolean", "default": False},
            "note": {"type": ["string", "null"], "default": None},
            "until": {"type": ["number", "null"], "minimum": 0, "unit": "s", "default": None},
        },
        "required": ["milliwatts"],
        "additionalProperties": False,
    }


def test_the_description_has_the_first_paragraph_and_the_options():
    described = COMMANDS["reset"].description()
    assert described["doc"] == "Start anew."
    assert (described["role"], described["confirm"]) == ("admin", "Really?")
    assert described["offline"] is True
    assert set_power.description()["offline"] is False
    assert described["result"] is None
    assert set_power.description()["doc"] == "Set the power, slowly."
    assert set_power.description()["result"] == {
        "type": "object",
        "additionalProperties": {"type": "number"},
    }
    assert COMMANDS["reset"].options.timeout_s == 30.0


@pytest.mark.parametrize(
    ("params", "kwargs"),
    [
        ([5], {"milliwatts": 5.0}),
        ({"milliwatts": 5}, {"milliwatts": 5.0}),
        ([5, 2, "pulsed", True, "x", 3], None),
        ({"milliwatts": 60, "note": None, "until": None}, None),
        ({"milliwatts": -0.0}, None),
    ],
)
def test_right_parameters_pass_by_name_or_position(params, kwargs):
    checked = set_power.validate(params)
    assert kwargs is None or checked == kwargs
    assert type(checked["milliwatts"]) is float
    assert COMMANDS["reset"].validate(None) == {}


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ([], "milliwatts is missing; allowed: a number from 0 to 60 mW"),
        (["5"], 'milliwatts: found "5", allowed: a number from 0 to 60 mW'),
        ([True], "milliwatts: found true, allowed: a number"),
        ([None], "milliwatts: found nothing, allowed: a number"),
        ([math.nan], "milliwatts: found NaN"),
        ([math.inf], "milliwatts: found Infinity"),
        ([10**400], "milliwatts: found "),
        ([b"5"], "milliwatts: found a bytes"),
        ([5, 3.0], "channel: found 3.0, allowed: a whole number from 1 to 8"),
        ([5, True], "channel: found true"),
        ([5, 1, "CW"], 'mode: found "CW", allowed: "cw" or "pulsed"'),
        ([5, 1, "cw", "yes"], 'ramp: found "yes", allowed: true or false'),
        ([5, 1, "cw", 1], "ramp: found 1, allowed: true or false"),
        ([5, 1, "cw", False, 7], "note: found 7, allowed: text or nothing"),
        ({"milliwatts": 1, "powr": 2}, "powr: unknown"),
        ({"milliwatts": 1, "chanel": 2}, r"chanel: unknown \(did you mean 'channel'\?\)"),
        ([1, 2, "cw", False, "x", 1, 2], "takes 6 parameters, not 7"),
    ],
)
def test_wrong_parameters_are_refused_with_what_is_allowed(params, text):
    with pytest.raises(BadRequestError, match=text) as caught:
        set_power.validate(params)
    assert not isinstance(caught.value, OutOfLimitsError)


@pytest.mark.parametrize("params", [[60.001], [-1], [5, 9], {"milliwatts": 1, "until": -1}])
def test_a_value_of_the_right_type_outside_its_limits_is_told_apart(params):
    with pytest.raises(OutOfLimitsError):
        set_power.validate(params)


def test_a_wrong_type_weighs_more_than_a_limit_and_all_problems_are_named():
    with pytest.raises(BadRequestError) as caught:
        set_power.validate([61, "x"])
    assert not isinstance(caught.value, OutOfLimitsError)
    assert set(caught.value.details["params"]) == {"milliwatts", "channel"}


def test_enums_lists_and_keyword_only_parameters_work():
    paint = COMMANDS["paint"]
    checked = paint.validate(["red", [1, 2.5]])
    assert checked == {"colour": Colour.RED, "gains": [1.0, 2.5]}
    assert paint.run(Laser(), checked) is True
    assert paint.validate({"colour": "blue", "gains": [], "twice": 2})["twice"] == 2
    with pytest.raises(BadRequestError, match="takes 2 parameters, not 3"):
        paint.validate(["red", [], 2])
    with pytest.raises(BadRequestError, match=r'gains\.1: found "2", allowed: a number'):
        paint.validate(["red", [1, "2"]])
    with pytest.raises(BadRequestError, match="twice: found true, allowed: 1 or 2"):
        paint.validate({"colour": "red", "gains": [], "twice": True})


def test_deeply_nested_parameters_are_refused():
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(BadRequestError, match="milliwatts: found a list"):
        set_power.validate([deep])


def test_a_command_can_be_called_like_the_method_it_is():
    assert Laser().set_power(5) == {"power": 5}


def test_overriding_a_command_keeps_it_one_with_the_new_signature():
    class Strong(Laser):
        def reset(self, hard: bool = False) -> None:
            """Start anew, or from scratch."""

        @command
        def more(self) -> None:
            """Do more."""

    commands = commands_of(Strong)
    assert list(commands) == ["set_power", "reset", "paint", "more"]
    assert list(commands["reset"].schema()["properties"]) == ["hard"]
    assert commands["reset"].options.role == "admin"


def _untyped(self, power):
    """No hint."""


def _starred(self, *powers: float):
    """A star."""


def _strange(self, lock: pytest.MonkeyPatch):
    """A type that JSON has not."""


def _unknown(self, x: "Nowhere"):  # noqa: F821, UP037  # pyright: ignore[reportUndefinedVariable]
    """A hint that cannot be read."""


@pytest.mark.parametrize(
    ("method", "text"),
    [
        (_untyped, "power of _untyped has no type hint"),
        (_starred, "powers of _starred must be a named parameter"),
        (_strange, "lock of _strange has a type that plain data cannot fill"),
        (_unknown, "a type hint of _unknown cannot be read"),
    ],
)
def test_a_signature_that_cannot_be_checked_is_an_error_of_the_driver(method, text):
    broken = type("Broken", (Driver,), {"go": command(method)})
    with pytest.raises(TypeError, match=text):
        commands_of(broken)


def test_limits_that_leave_nothing_are_refused():
    with pytest.raises(ValueError, match="leave nothing"):
        Limits(5, 4)
