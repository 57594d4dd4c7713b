import inspect

import pytest

from labmon.datastream import exceptions
from labmon.errors import LabmonError, StorageError

CLASSES = [
    c
    for _, c in inspect.getmembers(exceptions, inspect.isclass)
    if c.__module__ == exceptions.__name__
]


@pytest.mark.parametrize("cls", CLASSES)
def test_the_docstring_draws_every_class(cls):
    assert cls.__name__ in (exceptions.__doc__ or "").split()


def test_everything_hangs_on_one_root_and_warnings_on_another():
    for cls in CLASSES:
        if issubclass(cls, Warning):
            assert issubclass(cls, exceptions.DatastreamWarning)
        else:
            assert issubclass(cls, exceptions.DatastreamException)
            assert issubclass(cls, LabmonError)


def test_what_the_caller_got_wrong_is_also_a_value_error_or_a_type_error():
    values = {c.__name__ for c in CLASSES if issubclass(c, ValueError)}
    assert values == {
        "UnsupportedDownsampler",
        "UnsupportedGranularity",
        "UnsupportedDeriveOperator",
        "ReservedTagNameError",
        "InvalidTimestamp",
        "IncompatibleGranularities",
        "AppendToDerivedStreamNotAllowed",
        "InvalidOperatorArguments",
    }
    types = {c.__name__ for c in CLASSES if issubclass(c, TypeError)}
    assert types == {"UnsupportedValueType", "IncompatibleTypes"}


def test_the_store_has_a_branch_that_the_rest_of_labmon_knows():
    for cls in (exceptions.DamagedBlock, exceptions.StoreLocked, exceptions.NewerSchema):
        assert issubclass(cls, exceptions.StoreError)
        assert issubclass(cls, StorageError)


def test_a_damaged_block_says_which_and_why():
    error = exceptions.DamagedBlock("block 7 of ch1", "ends 3 bytes too early")
    assert str(error) == "block 7 of ch1: ends 3 bytes too early"
    assert (error.which, error.why) == ("block 7 of ch1", "ends 3 bytes too early")
