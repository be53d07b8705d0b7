"""A function of the program is one function in what is added up, though each process describes its
own, and a file may be run and imported."""

import re
from pathlib import Path

import pytest
from conftest import Run

import pyftrace as api
from pyftrace.html.data import Parts

FORKS = """\
import os, sys
def leaf(n): return n
def work(n):
    for i in range(n): leaf(i)
work(3)
for n in map(int, sys.argv[1:]):
    if os.fork() == 0:
        work(n)
        os._exit(0)
    os.wait()
"""
SPAWNS = """\
import multiprocessing
def leaf(n): return n
def work(n):
    for i in range(n): leaf(i)
if __name__ == "__main__":
    work(3)
    process = multiprocessing.get_context("spawn").Process(target=work, args=(5,))
    process.start()
    process.join()
"""
IMPORTS_ITSELF = """\
def leaf(): pass
def work():
    leaf(); leaf()
if __name__ == "__main__":
    import app
    work(); app.work(); app.leaf()
"""
NOTHING = {"function": (), "exclude": (), "hide": (), "depth": 0}
ALL = {"pid": 0, "tid": 0, "since": None, "until": None}


def recorded(pyftrace: Run, folder: Path, text: str, *words: str, name: str = "run.data") -> Path:
    (folder / "app.py").write_text(text)
    done = pyftrace("record", "-q", "-o", name, "app.py", *words)
    assert done.returncode == 0, done.stderr
    return folder / name


def tree(pyftrace: Run, *words: str) -> list[tuple[str, str]]:
    """(calls, indent and name) of each line."""
    lines = pyftrace("graph", *words).stdout.splitlines()[1:]
    found = [re.fullmatch(r" *\S+ \S+ +\S+ \S+ +(\d+)  (.*)", line) for line in lines]
    return [(match[1], match[2]) for match in found if match]


@pytest.mark.parametrize(
    ("text", "words", "lines"),
    [
        (FORKS, ("5", "7"), [("3", "work"), ("15", "  leaf")]),
        (SPAWNS, (), [("2", "work"), ("8", "  leaf")]),
        (IMPORTS_ITSELF, (), [("2", "work"), ("4", "  leaf"), ("1", "leaf")]),
    ],
)
def test_the_tree_and_the_page_add_up_what_the_report_does(
    text: str, words: tuple[str, ...], lines: list[tuple[str, str]], pyftrace: Run, tmp_path: Path
):
    path = recorded(pyftrace, tmp_path, text, *words)
    assert sorted(tree(pyftrace, "run.data")) == sorted(lines)
    rows = api.open(path).report().rows
    parts = Parts(api.open(path), NOTHING, ALL)
    table, shown = parts.table(), parts.tree()
    calls = [0] * len(rows)
    for function, count in zip(shown["function"], shown["calls"], strict=True):
        calls[function] += count
    assert calls == table["calls"]
    assert {row.function: row.calls for row in rows} == {
        name: sum(int(count) for count, line in lines if line.strip() == name)
        for name in ("leaf", "work")
    }


def test_call_paths_of_all_processes_are_compared(pyftrace: Run, tmp_path: Path):
    recorded(pyftrace, tmp_path, FORKS, "5", "7", name="a.data")
    recorded(pyftrace, tmp_path, FORKS, "9", "7", name="b.data")
    done = pyftrace("diff", "--paths", "a.data", "b.data")
    assert re.search(r"15 -> 19 \(\+4\) .* app\.leaf", done.stdout), done.stdout + done.stderr
    done = pyftrace("diff", "-q", "--max-calls", "+0", "a.data", "b.data")
    assert (done.returncode, done.stderr) == (
        3,
        "pyftrace: app.leaf is called more often: 15 -> 19 (+4), limit +0; by app.work 15 -> 19"
        " (+4)\n",
    )


@pytest.mark.parametrize("text", [SPAWNS, IMPORTS_ITSELF])
def test_a_file_that_is_two_modules_is_compared(text: str, pyftrace: Run, tmp_path: Path):
    recorded(pyftrace, tmp_path, text)
    for words in (["diff", "--paths"], ["html", "-o", "out.html", "--diff"]):
        done = pyftrace(*words, "run.data", "run.data")
        assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr


def test_c_functions_of_one_name_are_two(pyftrace: Run, tmp_path: Path):
    (tmp_path / "app.py").write_text(
        "import marshal, pickle\ndef f():\n    for n in range(6): marshal.dumps(n)\n"
        "    pickle.dumps(1)\nf()\n"
    )
    pyftrace("record", "-q", "-v", "-o", "run.data", "app.py")
    assert sorted(line for line in tree(pyftrace, "run.data") if "dumps" in line[1]) == [
        ("1", "  dumps"), ("6", "  dumps"),
    ]  # fmt: skip
    below = pyftrace("graph", "--func", "f", "run.data").stdout.partition("total")[2]
    assert sorted(re.findall(r"(\d+)    dumps", below)) == ["1", "6"]


def test_a_lambda_is_the_same_when_its_neighbour_was_not_called(pyftrace: Run, tmp_path: Path):
    text = "import sys\nf, g = lambda: 1, lambda: 2\nf()\nif sys.argv[1:]: g()\n"
    recorded(pyftrace, tmp_path, text, name="a.data")
    recorded(pyftrace, tmp_path, text, "both", name="b.data")
    done = pyftrace("diff", "--sort", "name", "a.data", "b.data")
    cells = [[cell.strip() for cell in line.split("|")] for line in done.stdout.splitlines()[2:4]]
    assert [cell[:2] for cell in cells] == [["app.<lambda>#1", "1"], ["app.<lambda>#2", "new: 1"]]
    assert pyftrace("diff", "--max-calls", "+1", "a.data", "b.data").returncode == 0
