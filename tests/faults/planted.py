"""Puts things in the way of what pyftrace writes: links, pipes, sockets, other people's files.

Whatever lies where a recording should go is refused with one line, or stepped around, and is
afterwards what it was. A file named with -o is the user's own word, as with a shell's >: links are
followed there, and what nobody reads does not hang."""

import os
import socket
import stat
import sys
from collections.abc import Callable
from pathlib import Path

from common import Done, Figures, expect, folder, how_many, our_lines, pyftrace, python

PROGRAM = "def f(): pass\nf()\nprint('ran')\n"
LATE = """\
import os, sys, threading
def f(): pass
f()
{plant}
thread = threading.Thread(target=f)
thread.start()
for _ in range(300_000): f()
thread.join()
if os.fork() == 0:
    f()
    sys.exit(0)
os.wait()
print('ran')
"""
BY_THE_API = """\
import pyftrace
try:
    with pyftrace.record():
        pass
except OSError as error:
    print(error)
"""
Plant = Callable[[Path, Path], object]


# ---- what is planted: (where ours should go, the folder of victims) ------------------------------


def bind(at: Path, victims: Path) -> None:
    here = os.getcwd()
    os.chdir(at.parent)  # a socket's name is short
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(at.name)
    os.chdir(here)


def foreign_folder(at: Path, victims: Path) -> None:
    at.mkdir()
    (at / "thesis.txt").write_text("ours\n")


def almost_ours(at: Path, victims: Path) -> None:
    at.mkdir()
    (at / "run").write_bytes(b"PYFTRUN\0 but not really")
    (at / "1-1.defs").write_text("ours\n")


def run_is_a_fifo(at: Path, victims: Path) -> None:
    at.mkdir()
    os.mkfifo(at / "run")


def run_is_a_link(at: Path, victims: Path) -> None:
    at.mkdir()
    (at / "run").symlink_to(victims / "file")


PLANTS: dict[str, Plant] = {
    "link to a file": lambda at, victims: at.symlink_to(victims / "file"),
    "link to a folder": lambda at, victims: at.symlink_to(victims / "folder"),
    "link to a recording": lambda at, victims: at.symlink_to(victims / "run.data"),
    "dangling link": lambda at, victims: at.symlink_to(victims / "nothing"),
    "link to itself": lambda at, victims: at.symlink_to(at.name),
    "hard link": lambda at, victims: at.hardlink_to(victims / "file"),
    "file": lambda at, victims: at.write_text("ours\n"),
    "fifo": lambda at, victims: os.mkfifo(at),
    "socket": bind,
    "empty folder": lambda at, victims: at.mkdir(),
    "foreign folder": foreign_folder,
    "almost ours": almost_ours,
    "run is a fifo": run_is_a_fifo,
    "run is a link": run_is_a_link,
}


def look(*roots: Path) -> dict[str, tuple[object, ...]]:
    """Everything below: what it is, whose, since when, and what it holds."""
    found: dict[str, tuple[object, ...]] = {}
    for root in roots:
        below = [*root.rglob("*")] if root.is_dir() and not root.is_symlink() else []
        for path in [root, *below]:
            if not os.path.lexists(path):
                continue
            at = path.lstat()
            holds: object = None
            if stat.S_ISREG(at.st_mode):
                holds = path.read_bytes()
            elif stat.S_ISLNK(at.st_mode):
                holds = os.readlink(path)
            found[str(path)] = (at.st_mode, at.st_ino, at.st_mtime_ns, at.st_nlink, holds)
    return found


def make_victims(place: Path) -> Path:
    victims = place / "victims"
    (victims / "folder").mkdir(parents=True)
    (victims / "file").write_text("precious\n")
    (victims / "folder" / "file").write_text("precious\n")
    done = pyftrace("record", "-q", "-o", victims / "run.data", "-c", "pass", cwd=place)
    expect(done.returncode == 0, done.stderr)
    return victims


# ---- where it lies -------------------------------------------------------------------------------


def refused(done: Done) -> None:
    expect(done.returncode == 2, f"status {done.returncode}: {done.stderr!r}")
    expect(done.stdout == "", "the program ran")
    expect(len(our_lines(done.stderr)) == done.stderr.count("\n") == 1, repr(done.stderr))


def untraced(done: Done) -> None:
    expect((done.returncode, done.stdout) == (0, "ran\n"), f"{done.returncode} {done.stderr!r}")
    expect(len(our_lines(done.stderr)) == done.stderr.count("\n") == 1, repr(done.stderr))


def by_the_launcher(place: Path) -> None:
    refused(pyftrace("record", "app.py", cwd=place))


def by_the_variable(place: Path) -> None:
    untraced(python("app.py", cwd=place, PYFTRACE="record"))


def by_the_api(place: Path) -> None:
    text = (
        "import pyftrace\ntry:\n    with pyftrace.record(): pass\nexcept OSError as e: print(e)\n"
    )
    done = python("-c", text, cwd=place)
    expect((done.returncode, done.stderr) == (0, ""), repr(done.stderr))
    expect(done.stdout.count("\n") == 1, repr(done.stdout))


def as_the_old_one(place: Path) -> None:
    """A second recording would rotate the first one there."""
    done = pyftrace("record", "app.py", cwd=place)
    expect(done.returncode == 2 and "pyftrace.data.old" in done.stderr, done.stderr)
    refused(done)


WAYS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "pyftrace record": ("pyftrace.data", by_the_launcher),
    "PYFTRACE=record": ("pyftrace.data", by_the_variable),
    "pyftrace.record()": ("pyftrace.data", by_the_api),
    "the old recording": ("pyftrace.data.old", as_the_old_one),
}
# A name that is followed by choice, or one that is nothing of anybody's.
HARMLESS = {("PYFTRACE=record", "empty folder")}


def try_folders(figures: Figures) -> None:
    for way, (name, run) in WAYS.items():
        for what, plant in PLANTS.items():
            if (way, what) in HARMLESS:
                continue
            with folder() as place, figures.one(way, what):
                (place / "app.py").write_text(PROGRAM)
                victims = make_victims(place)
                if name.endswith(".old"):
                    done = pyftrace("record", "-q", "app.py", cwd=place)
                    expect(done.returncode == 0, done.stderr)
                plant(place / name, victims)
                before = look(place)
                run(place)
                after = look(place)
                before.pop(str(place)), after.pop(str(place))  # a name may have come and gone
                changed = {key for key in before | after if before.get(key) != after.get(key)}
                expect(not changed, "changed:", sorted(changed))


# ---- inside a recording that goes on -------------------------------------------------------------

# Every name that the process or its child may take next, in the program's own words.
NAMES = """\
folder = sys.argv[1]
base = next(n for n in os.listdir(folder) if n.endswith('.lane')).rpartition('.')[0]
base = base.rpartition('.')[0]
for n in range(1, 9):
    {make}
"""
INSIDE = {
    "link to a file": "os.symlink(sys.argv[2], f'{folder}/{base}.{n}.lane')",
    "dangling link": "os.symlink(sys.argv[2] + '.new', f'{folder}/{base}.{n}.lane')",
    "hard link": "os.link(sys.argv[2], f'{folder}/{base}.{n}.lane')",
    "fifo": "os.mkfifo(f'{folder}/{base}.{n}.lane')",
    "folder": "os.mkdir(f'{folder}/{base}.{n}.lane')",
}
GONE = {
    "replaced by a link": "os.rename({path}, 'away'); os.symlink(sys.argv[2], {path})",
    "replaced by a fifo": "os.rename({path}, 'away'); os.mkfifo({path})",
    "replaced by a file": "os.rename({path}, 'away'); os.link(sys.argv[2], {path})",
    "deleted": "os.unlink({path})",
}


def try_inside(figures: Figures) -> None:
    plants = {what: NAMES.format(make=make) for what, make in INSIDE.items()}
    for suffix in (".lane", ".defs"):
        path = f"[folder + '/' + n for n in os.listdir(folder) if n.endswith('{suffix}')][0]"
        for what, make in GONE.items():
            plants[f"{suffix} {what}"] = (
                "folder = sys.argv[1]; name = " + path + "\n" + (make.format(path="name"))
            )
    plants["the folder is renamed"] = "os.rename(sys.argv[1], sys.argv[1] + '.moved')"
    plants["the folder is a link now"] = (
        "os.rename(sys.argv[1], sys.argv[1] + '.moved'); os.symlink('victims/folder', sys.argv[1])"
    )
    for what, plant in plants.items():
        with folder() as place, figures.one("while recording", what):
            (place / "app.py").write_text(LATE.format(plant=plant))
            victims = make_victims(place)
            before = look(victims)
            words = ["record", "-q", "app.py", place / "pyftrace.data", victims / "file"]
            done = pyftrace(*words, cwd=place)
            expect((done.returncode, done.stdout) == (0, "ran\n"), f"{done.returncode}",
                   f"{done.stderr[-300:]!r}")  # fmt: skip
            expect(len(our_lines(done.stderr)) == done.stderr.count("\n"), repr(done.stderr))
            after = look(victims)
            if "link" in what or "a file" in what:  # counted, and renamed by the program itself
                before = {key: value[2:3] + value[4:] for key, value in before.items()}
                after = {key: value[2:3] + value[4:] for key, value in after.items()}
            expect(after == before, "a victim changed")


# ---- a file by -o --------------------------------------------------------------------------------


def try_files(figures: Figures) -> None:
    """What cannot be written is refused. (A verb waits for a fifo's reader, as a shell does; a
    program to be traced is not kept waiting.)"""
    ways = {
        "pyftrace -o": ["-o", "out", "app.py"],
        "--report -o": ["--report", "-o", "out", "app.py"],
        "replay -o": ["replay", "-o", "out", "victims/run.data"],
        "dump -o": ["dump", "-o", "out", "victims/run.data"],
    }
    for way, words in ways.items():
        for what in ("empty folder", "fifo", "socket", "link to itself", "link to a folder"):
            if what == "fifo" and words[0] in ("replay", "dump"):
                continue
            with folder() as place, figures.one(way, what):
                (place / "app.py").write_text(PROGRAM)
                PLANTS[what](place / "out", make_victims(place))
                before = look(place)
                done = pyftrace(*words, cwd=place)
                expect(done.returncode in (1, 2), f"status {done.returncode}")
                expect(len(our_lines(done.stderr)) == done.stderr.count("\n") == 1, done.stderr)
                expect(look(place) == before, "something changed")


def main() -> int:
    how_many(__doc__, 1)
    figures = Figures("things in the way")
    try_folders(figures)
    try_inside(figures)
    try_files(figures)
    return figures.end()


if __name__ == "__main__":
    sys.exit(main())
