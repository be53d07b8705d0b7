"""What a recording keeps of an exception: a traceback's last line, and nothing is run for it."""

import pickle
import traceback
from pathlib import Path

import pytest

import pyftrace


class Plain(Exception):
    pass


class Own(Exception):
    def __str__(self):
        raise AssertionError("the program's own code ran")


class Number(int):
    __repr__ = __str__ = lambda self: "own"


class Text(str):
    def __str__(self):
        raise AssertionError("the program's own code ran")


SHOWN = [
    ValueError(),
    ValueError("bad"),
    ValueError(""),
    ValueError(5),
    ValueError(-(2**63)),
    ValueError(2**64),
    ValueError(True),
    ValueError(None),
    ValueError(1.5),
    ValueError(1, "two"),
    ValueError(b"bytes"),
    KeyError(),
    KeyError("name"),
    KeyError("it's"),
    KeyError(7),
    KeyError(10**30),
    KeyError(None),
    KeyError(1, 2),
    StopIteration(),
    StopIteration(3),
    IndexError("list index out of range"),
    OSError(),
    OSError(2, "No such file or directory", "x.txt"),
    UnicodeDecodeError("ascii", b"\xff", 0, 1, "ordinal not in range"),
    UnicodeEncodeError("ascii", "\xff", 0, 1, "ordinal not in range"),
    UnicodeTranslateError("\xff", 0, 1, "ordinal not in range"),
    ImportError("no module", name="x"),
    ValueError(*range(20)),
    SyntaxError("invalid syntax"),
    ZeroDivisionError("division by zero"),
    Plain(),
    Plain(12),
    Plain("text"),
    pickle.PicklingError(3),
    KeyboardInterrupt(),
]


def changed(exc: BaseException, **fields: object) -> BaseException:
    for name, value in fields.items():
        setattr(exc, name, value)
    return exc


UNDECODABLE = ("ascii", b"\xff", 0, 1, "ordinal not in range")
UNENCODABLE = ("ascii", "\xff", 0, 1, "ordinal not in range")
ONLY_ITS_TYPE = [
    Own(1),
    Plain(Number(1)),
    KeyError(Number(1)),
    ValueError([1]),
    ValueError("x", [1]),
    ValueError(*range(10**5)),
    ValueError(*["x" * 4096] * 5),
    changed(ExceptionGroup(Text("x"), [ValueError()]), args=()),
    # str() of these reads whatever lies there.
    changed(UnicodeDecodeError(*UNDECODABLE), start=-(2**50), end=1 - 2**50),
    changed(UnicodeDecodeError(*UNDECODABLE), object=5, start=2, end=3),
    changed(UnicodeEncodeError(*UNENCODABLE), object=5),
]


def raises(exc):
    raise exc


def recorded(where: Path, exc: BaseException) -> str | None:
    with pyftrace.record(where), pytest.raises(type(exc)):
        raises(exc)
    return next(e.exception for e in pyftrace.open(where).events() if e.event == "unwind")


@pytest.mark.parametrize("exc", SHOWN, ids=repr)
def test_it_is_what_a_traceback_says(exc: BaseException, tmp_path: Path, nothing_left_on):
    said = traceback.format_exception_only(exc)[-1].strip()
    assert recorded(tmp_path / "run.data", exc) == said


@pytest.mark.parametrize("exc", ONLY_ITS_TYPE, ids=lambda exc: type(exc).__name__)
def test_where_the_program_would_run_it_is_the_type(exc, tmp_path: Path, nothing_left_on):
    of_module = "" if type(exc).__module__ == "builtins" else f"{__name__}."
    assert recorded(tmp_path / "run.data", exc) == of_module + type(exc).__name__


def test_a_long_text_is_cut_to_its_last_character(tmp_path: Path, nothing_left_on):
    text = recorded(tmp_path / "run.data", ValueError("é" * 500))
    assert text is not None and (len(text), text[-4:]) == (120, "é...")
    exactly = recorded(tmp_path / "exactly.data", ValueError("é" * 108))
    assert exactly == "ValueError: " + "é" * 108
