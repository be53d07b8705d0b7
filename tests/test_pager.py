"""On a terminal the verbs go through a pager; elsewhere, or with --no-pager, straight out."""

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Run, clean_environment

PROGRAM = "def f(n): return n\nfor n in range(5000): f(n)\n"


@pytest.fixture
def recorded(pyftrace: Run, tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(PROGRAM)
    pyftrace("record", "-q", "app.py")
    return tmp_path


def on_a_terminal(folder: Path, *words: str, **env: str) -> tuple[int, str, str]:
    """Exit status, what the terminal showed and what stood on standard error."""
    try:
        master, slave = pty.openpty()
    except OSError as error:
        pytest.skip(f"no pseudo-terminal can be had: {error}")
    with subprocess.Popen(
        [sys.executable, "-m", "pyftrace", *words],
        cwd=folder, env=clean_environment(TERM="xterm", **env),
        stdin=slave, stdout=slave, stderr=subprocess.PIPE, start_new_session=True,
    ) as process:  # fmt: skip
        os.close(slave)
        shown = []
        try:
            while part := os.read(master, 1 << 16):
                shown.append(part)
        except OSError:  # EIO: the other side is closed
            pass
        os.close(master)
        assert process.stderr is not None
        said = process.stderr.read().decode()
        process.wait(timeout=120)
    return process.returncode, b"".join(shown).decode().replace("\r\n", "\n"), said


def test_no_pager_is_an_empty_word_too(recorded: Path):
    for pager in ("", " ", "cat"):
        status, shown, said = on_a_terminal(recorded, "report", PAGER=pager)
        assert (status, said) == (0, "") and "Function Name" in shown


@pytest.mark.parametrize("words", [["replay"], ["report"], ["graph"], ["replay", "--no-pager"]])
def test_the_pager_gets_what_a_pipe_would(words: list[str], recorded: Path, pyftrace: Run):
    plain = pyftrace(*words).stdout
    pager = "sed 's/^/> /'"
    status, shown, said = on_a_terminal(recorded, *words, PAGER=pager, NO_COLOR="1")
    prefix = "" if "--no-pager" in words else "> "
    assert (status, said) == (0, "")
    assert shown == "".join(prefix + line for line in plain.splitlines(True))


def test_a_pager_that_leaves_early_ends_it_without_a_word(recorded: Path):
    status, shown, said = on_a_terminal(recorded, "replay", "--color=never", PAGER="head -n 2")
    assert (status, said) == (0, "")
    assert [line.split("[")[0].strip() for line in shown.splitlines()] == [
        "Called f:1",
        "Returning f",
    ]


def test_a_pager_that_is_not_there_is_done_without(recorded: Path):
    status, shown, _ = on_a_terminal(recorded, "replay", PAGER="no-such-pager-at-all -R")
    assert status == 0 and shown.count("Called") == 5000


def test_a_terminal_has_colors_unless_told_otherwise(recorded: Path):
    assert "\x1b[" in on_a_terminal(recorded, "replay", PAGER="cat")[1]
    assert "\x1b[" not in on_a_terminal(recorded, "replay", PAGER="cat", NO_COLOR="1")[1]


@pytest.mark.parametrize("verb", ["replay", "dump"])
def test_ctrl_c_ends_it_while_nobody_reads(verb: str, recorded: Path):
    (recorded / "app.py").write_text(PROGRAM.replace("5000", "500000"))
    subprocess.run(
        [sys.executable, "-m", "pyftrace", "record", "-q", "app.py"],
        cwd=recorded, env=clean_environment(), check=True,
    )  # fmt: skip
    with subprocess.Popen(
        [sys.executable, "-m", "pyftrace", verb],
        cwd=recorded, env=clean_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.read(1)  # it has begun: from now on it waits for us
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == -signal.SIGINT
        assert process.stderr.read() == b""
