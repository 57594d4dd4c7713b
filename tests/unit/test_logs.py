"""The log: one message is one line, and obeys nobody."""

import logging
import subprocess
import sys

import pytest

from labmon.logs import FORMAT, OneLineFormatter


def written(message, *args, exc_info=None):
    record = logging.LogRecord("labmon.x", logging.INFO, "x.py", 1, message, args, exc_info)
    return OneLineFormatter(FORMAT).format(record)


def test_a_message_is_one_line_whatever_is_in_it():
    line = written("%s said %s", "gauge", "1\r\n2026 ERROR forged\x1b[31m\x9b\u2028\ud800")
    assert line.endswith(
        r"INFO    labmon.x: gauge said 1\r\n2026 ERROR forged\x1b[31m\x9b\u2028\ud800"
    )
    assert line.isprintable()


def test_ordinary_text_stays_as_it_is():
    assert written("21.5 °C,\tλ = 780 nm").endswith("labmon.x: 21.5 °C,\tλ = 780 nm")


def test_a_traceback_keeps_its_lines():
    with pytest.raises(ValueError, match="no luck") as caught:
        int("no luck")
    text = written("failed", exc_info=(caught.type, caught.value, caught.tb))
    assert text.splitlines()[1].startswith("Traceback")
    assert text.splitlines()[-1].startswith("ValueError: invalid literal")


def test_a_warning_of_python_is_a_line_of_the_log():
    code = (
        "import warnings; from labmon import logs; logs.set_up(is_verbose=False);"
        "warnings.warn('d/x: no value\\nforged', UserWarning)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    (line,) = said.stderr.splitlines()
    assert line.endswith(r"WARNING py.warnings: UserWarning: d/x: no value\nforged (<string>:1)")
