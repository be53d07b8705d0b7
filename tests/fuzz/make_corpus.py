#!/usr/bin/env python3
"""Makes corpus/ anew from small programs: PYTHON -P tests/fuzz/make_corpus.py, where pyftrace is
installed; what fuzzing found once (found-*) stays. container.h tells the layout of a file."""

import os
import socket
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

CORPUS = Path(__file__).resolve().parent / "corpus"
RUN, DEFS, LANES, OTHER_LANE, FAIL = 0, (1, 4, 6), (2, 3), 5, 7
UNIT = 64
HEADS = {"run": 104, "defs": 176, "lane": 64}
SEGMENT_MAGIC = b"SEG1"
RING_START, RING_SEGMENTS = 4096, 8
MOST = 6000  # bytes of a piece: longer ones are cut

CALLS = """
def f(a, b=2):
    return g(a) + b
def g(a):
    return len(str(a))
for i in range(20):
    f(i)
"""
GENERATORS = """
import asyncio
def f(n):
    for i in range(n):
        yield i
    return n
async def g(n):
    await asyncio.sleep(0)
    return n
async def h():
    await asyncio.gather(g(1), g(2))
for i in f(3):
    pass
asyncio.run(h())
"""
EXCEPTIONS = """
def f(n):
    if n == 0:
        raise ValueError("bad", n)
    return f(n - 1)
for n in range(4):
    try:
        f(n)
    except ValueError:
        pass
def g():
    yield 1
it = g()
next(it)
try:
    it.throw(KeyError("k"))
except KeyError:
    pass
"""
THREADS = """
import threading
def f(n):
    return n and f(n - 1)
def h():
    for i in range(3):
        f(i)
threads = [threading.Thread(target=h, name=f"w-{i}") for i in range(3)]
for t in threads:
    t.start()
for t in threads:
    t.join()
"""
FORK = """
import os
def f(n):
    return n
def g():
    pid = os.fork()
    f(1)
    if pid == 0:
        f(2)
        os._exit(0)
    os.waitpid(pid, 0)
g()
"""
DEEP = """
def f(n):
    return n and f(n - 1)
f(300)
f(30)
"""
RING = """
def f(n):
    return n
def g():
    for i in range(40):
        f(i)
for i in range(1500):
    g()
"""
KILLED = """
import os
def f(n):
    if n == 0:
        os._exit(0)
    f(n - 1)
f(5)
"""

# Name: program, words of `record`.
PROGRAMS = {
    "calls": (CALLS, []),
    "builtins": (CALLS, ["-v"]),
    "args": (CALLS, ["--args", "--values=safe", "--callers"]),
    "generators": (GENERATORS, []),
    "generators_values": (GENERATORS, ["--args", "--values=safe", "--callers"]),
    "exceptions": (EXCEPTIONS, []),
    "exceptions_builtins": (EXCEPTIONS, ["-v", "--values=safe"]),
    "threads": (THREADS, []),
    "fork": (FORK, ["-v"]),
    "deep": (DEEP, []),
    "killed": (KILLED, []),
    "ring": (RING, ["--ring", "256k"]),
}


def piece(file: int, at: int, body: bytes) -> bytes:
    """One piece, as container.h has it."""
    body = body[:MOST]
    head = bytes([file]) + (at // UNIT).to_bytes(3, "little") + len(body).to_bytes(3, "little")
    return head + body


def without_zeros(body: bytes, least: int) -> bytes:
    """The file without the room that was reserved at its end."""
    return body[: max(least, len(body.rstrip(b"\0")) + 8 & ~7)]


def lane_pieces(file: int, body: bytes) -> bytes:
    """A ring's segments one by one, each cut; another lane as a whole."""
    (segment_size,) = struct.unpack_from("=Q", body, 32)
    if segment_size == 0:
        return piece(file, 0, without_zeros(body, HEADS["lane"]))
    made = piece(file, 0, body[: HEADS["lane"]])
    for i in range(RING_SEGMENTS):
        at = RING_START + i * segment_size
        if body[at : at + 4] == SEGMENT_MAGIC:
            made += piece(file, at, body[at : at + 600])
    return made


def anonymous(body: bytes, folder: str) -> bytes:
    """Without the names of this machine; nothing moves."""
    for name in (folder, sys.executable, sys.prefix, socket.gethostname()):
        body = body.replace(name.encode(), b"/" + b"x" * (len(name) - 1))
    return body


def container(folder: Path) -> bytes:
    """The recording as one file of the corpus: its first processes and lanes."""
    body = (folder / "run").read_bytes()
    (text,) = struct.unpack_from("=I", body, 96)
    made = piece(RUN, 0, body[: HEADS["run"] + text])
    lanes = [*LANES]
    for i, defs in enumerate(sorted(folder.glob("*.defs"), key=os.path.getmtime)[:3]):
        made += piece(DEFS[i], 0, without_zeros(defs.read_bytes(), HEADS["defs"]))
        for lane in sorted(folder.glob(defs.stem + ".*.lane")):
            if i == 1:
                made += lane_pieces(OTHER_LANE, lane.read_bytes())
                break
            if i == 0 and lanes:
                made += lane_pieces(lanes.pop(0), lane.read_bytes())
    return made


def record(program: str, words: list[str]) -> bytes:
    """What recording the program makes, as a container."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "app.py").write_text(program)
        kept = {"PATH": os.defpath}
        subprocess.run(
            [sys.executable, "-m", "pyftrace", "record", "-q", "-o", "run.data", *words, "app.py"],
            cwd=folder, check=True, env=kept,
        )  # fmt: skip
        return anonymous(container(Path(folder, "run.data")), folder)


def main() -> None:
    """Every program twice, by different plans."""
    CORPUS.mkdir(exist_ok=True)
    for old in CORPUS.iterdir():
        if not old.name.startswith("found-"):
            old.unlink()
    total = 0
    for number, (name, (program, words)) in enumerate(PROGRAMS.items()):
        made = record(program, words)
        for turn in range(2):
            plan = (number * 67 + turn * 173) & 255
            total += (CORPUS / f"{name}-{turn}").write_bytes(bytes([plan]) + made)
    refused = piece(RUN, 0, record(CALLS, [])[1 + 6 :][: HEADS["run"]]) + piece(
        FAIL, 0, b"no room\n"
    )
    total += (CORPUS / "refused").write_bytes(b"\0" + refused)
    print(f"{len(list(CORPUS.iterdir()))} files, {total} bytes")


if __name__ == "__main__":
    main()
