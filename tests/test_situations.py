"""The program must not notice: each program of tests/situations runs untraced and traced in every
mode; standard output, standard error and the exit status are the same, and in the tree every way in
has its way out.

A program may say what it is given by comments in its head: `# args:`, `# stdin:`, `# signal` (the
parent sends SIGTERM once the program has said "ready"), `# unfinished` (frames stay open at its
end), `# threads` (the order of lines of different threads is free), `# only: MODE ...`,
`# childless` (it prints whether PYFTRACE is set, which a recording leaves for the children)."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAMS = sorted((Path(__file__).parent / "situations").glob("*.py"))

MODES = {
    "tree": ["-o", "{out}"],
    "everything": ["-vv", "-a", "-t", "-p", "-o", "{out}"],
    "verbose": ["-v", "--values", "none", "-o", "{out}"],
    "report": ["--report", "-o", "{out}"],
    "report-all": ["--report", "-vv", "--columns", "all", "-o", "{out}"],
    "record": ["record", "-o", "{out}"],
    "record-all": ["record", "-vv", "-a", "--values", "safe", "--callers", "-o", "{out}"],
    "filtered": ["-vv", "-f", "main", "-e", "helper", "-H", "middle", "-d", "5", "-o", "{out}"],
}

LINE = re.compile(
    r"^(?:\[(?P<label>[^+\]][^\]]*)\] )?(?P<indent> *)(?:\[\+(?P<deeper>\d+)\] )?"
    r"(?P<verb>Called|Resuming|Returning|Yielding|Suspending|Raising) "
)
OPENS = ("Called", "Resuming")


def environment() -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONUNBUFFERED", "PYFTRACE")}
    return kept | {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0"}


def settings(program: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in program.read_text(encoding="utf-8").splitlines():
        match = re.match(r"# (args|stdin|signal|unfinished|threads|only|childless):? ?(.*)", line)
        if match:
            found[match[1]] = match[2]
    return found


def run(words: list[str], given: dict[str, str]) -> tuple[int, str, str]:
    with subprocess.Popen(
        words + given.get("args", "").split(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
        cwd=Path(__file__).parent / "situations",
        encoding="utf-8",
        errors="surrogateescape",
    ) as process:
        if "signal" in given:
            assert process.stdout is not None
            ready = process.stdout.readline()
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=60)
            return process.returncode, ready + out, err
        out, err = process.communicate(given.get("stdin", "") + "\n", timeout=60)
        return process.returncode, out, err


def without_notes(stderr: str) -> str:
    return "".join(line for line in stderr.splitlines(True) if not line.startswith("pyftrace: "))


def stable(text: str) -> str:
    return re.sub(r"0x[0-9a-f]+|\bpid=\d+", "ADDRESS", text)


def check_tree(text: str, unfinished: bool) -> int:
    """Opens and closes nest, by label; the number of lines."""
    stacks: dict[str, list[int]] = {}
    lines = 0
    first = ""
    for line in text.splitlines():
        match = LINE.match(line)
        assert match, f"not a line of the tree: {line!r}"
        lines += 1
        label = match["label"] or first
        depth = len(match["indent"]) // 4 + int(match["deeper"] or 0)
        if not stacks and not match["label"]:
            first = ""
        stack = stacks.setdefault(label, [])
        if match["verb"] in OPENS:
            assert depth == len(stack), line
            stack.append(depth)
        else:
            assert stack, f"a way out without its way in: {line!r}"
            assert stack.pop() == depth, line
    if not unfinished:
        assert not any(stacks.values()), stacks
    return lines


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_program_runs_as_untraced(program: Path, mode: str, tmp_path: Path) -> None:
    given = settings(program)
    if "only" in given and mode not in given["only"].split():
        pytest.skip(f"only for {given['only']}")
    out = tmp_path / "out.txt"
    options = [word.format(out=out) for word in MODES[mode]]
    if mode.startswith("record") and "childless" in given:
        options.append("--no-children")
    plain = run([sys.executable, program.name], given)
    traced = run([sys.executable, "-m", "pyftrace", *options, program.name], given)
    assert traced[0] == plain[0], traced[2]
    assert stable(traced[1]) == stable(plain[1])
    assert stable(without_notes(traced[2])) == stable(plain[2])
    if mode.startswith("record"):
        words = ["replay", "-o", str(out) + ".txt", str(out)]
        replayed = run([sys.executable, "-m", "pyftrace", *words], {})
        assert (replayed[0], replayed[1]) == (0, "")
        out = Path(f"{out}.txt")
    text = out.read_text(encoding="utf-8", errors="surrogateescape")
    if mode.startswith("report"):
        assert "Function Name" in text
    elif "threads" not in given:
        check_tree(text, "unfinished" in given)
