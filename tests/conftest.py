"""What the tests share: a clean environment and a way to run things as a user does."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

# What a shell starts in the background ignores Ctrl-C, and so would the programs that tests
# interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

UNWANTED = ("PYTHONUNBUFFERED", "PYFTRACE", "NO_COLOR", "PYTHONPATH", "PYTHONSTARTUP")

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def clean_environment(**more: str) -> dict[str, str]:
    """The environment without what would change output, and with `more`."""
    kept = {name: value for name, value in os.environ.items() if name not in UNWANTED}
    return kept | {"PYTHONDONTWRITEBYTECODE": "1"} | more


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Waits for what another process or a signal does; fails when it never does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"still not so after {seconds} s"
        time.sleep(0.005)


@pytest.fixture
def python(tmp_path: Path) -> Run:
    """python(*words, env={}, input="") in an empty folder."""

    def run(
        *words: str, env: dict[str, str] | None = None, input: str = "", cwd: Path = tmp_path
    ) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, *words],
            cwd=cwd,
            env=clean_environment(**(env or {})),
            input=input,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            timeout=120,
        )

    return run


@pytest.fixture
def pyftrace(python: Run) -> Run:
    """pyftrace(*words): the command line."""

    def run(*words: str, **more: object) -> "subprocess.CompletedProcess[str]":
        return python("-m", "pyftrace", *words, **more)

    return run


@pytest.fixture
def nothing_left_on() -> Iterator[None]:
    """After the test and pyftrace.stop() no tool id is held and no event is on."""
    import pyftrace
    from pyftrace import _engine

    yield
    pyftrace.stop()
    assert (_engine.tool_id(), _engine.events()) == (-1, 0)
    assert all(sys.monitoring.get_tool(i) != "pyftrace" for i in range(6))
