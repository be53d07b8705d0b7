"""A database of SQLite with every call as a row; docs/exports.md tells of its tables. It is written
beside the file and takes its place when it is whole."""

import errno
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from pyftrace._version import __version__
from pyftrace.exports import Source
from pyftrace.exports._calls import FIELDS, TEXTS, Call, Calls
from pyftrace.options import OptionError, printable

try:
    import sqlite3
except ImportError:
    raise OptionError("--format sqlite: this Python was built without SQLite") from None

MAGIC = b"SQLite format 3\0"
ID_AT = 68  # of a database's application id, in its first bytes
ID = 0x70796674
STRICT = (3, 37)  # SQLite has strict tables since then
CACHE = 64 << 20  # bytes
NO_TEXTS = (None,) * (len(FIELDS) - TEXTS)

TABLES = """\
CREATE TABLE about (name TEXT PRIMARY KEY, value ANY) STRICT;
CREATE TABLE processes (
    id INTEGER PRIMARY KEY, pid INTEGER NOT NULL, parent_pid INTEGER, interpreter INTEGER NOT NULL,
    began_ns INTEGER NOT NULL, ended_ns INTEGER, signal INTEGER, error TEXT,
    missing INTEGER NOT NULL) STRICT;
CREATE TABLE threads (
    id INTEGER PRIMARY KEY, process INTEGER NOT NULL REFERENCES processes (id),
    tid INTEGER NOT NULL, name TEXT NOT NULL, missing INTEGER NOT NULL) STRICT;
CREATE TABLE functions (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, module TEXT NOT NULL, file TEXT,
    line INTEGER) STRICT;
CREATE TABLE calls (
    id INTEGER PRIMARY KEY, parent INTEGER REFERENCES calls (id),
    thread INTEGER NOT NULL REFERENCES threads (id),
    function INTEGER NOT NULL REFERENCES functions (id),
    entered TEXT NOT NULL, left TEXT NOT NULL, begin_ns INTEGER NOT NULL, end_ns INTEGER NOT NULL,
    self_ns INTEGER NOT NULL, depth INTEGER NOT NULL, recursive INTEGER NOT NULL,
    activation INTEGER, task TEXT, call_line INTEGER, args TEXT, value TEXT, exception TEXT,
    duration_ns INTEGER AS (end_ns - begin_ns)) STRICT;
"""
# After the rows: an index that is there already costs more with each.
INDEXES = """\
CREATE INDEX calls_by_function ON calls (function, duration_ns);
CREATE INDEX calls_by_parent ON calls (parent);
CREATE INDEX calls_by_duration ON calls (duration_ns);
CREATE INDEX calls_by_begin ON calls (thread, begin_ns);
CREATE INDEX calls_by_activation ON calls (activation) WHERE activation IS NOT NULL;
CREATE INDEX calls_by_exception ON calls (begin_ns) WHERE left IN ('unwind', 'c_raise');
"""
# `started` keeps the stays of generators from being counted as calls.
VIEWS = """\
CREATE VIEW named AS
    SELECT c.*, f.name, f.module, f.file, f.line, p.pid, t.tid, t.name AS thread_name,
        c.entered IN ('start', 'c_call') AS started
    FROM calls c JOIN functions f ON f.id = c.function JOIN threads t ON t.id = c.thread
        JOIN processes p ON p.id = t.process;
CREATE VIEW totals AS
    SELECT f.name, f.module, f.file, f.line,
        SUM(c.entered IN ('start', 'c_call')) AS calls,
        SUM(c.entered IN ('resume', 'throw')) AS resumes,
        SUM(IIF(c.recursive, 0, c.duration_ns)) AS total_ns,
        SUM(c.self_ns) AS self_ns,
        SUM(c.left IN ('unwind', 'c_raise')) AS raised
    FROM calls c JOIN functions f ON f.id = c.function GROUP BY f.id ORDER BY total_ns DESC;
CREATE VIEW callers AS
    SELECT b.name AS caller, b.module AS caller_module, b.file AS caller_file,
        b.line AS caller_line,
        f.name, f.module, f.file, f.line,
        SUM(c.entered IN ('start', 'c_call')) AS calls,
        SUM(IIF(c.recursive, 0, c.duration_ns)) AS total_ns,
        SUM(c.self_ns) AS self_ns
    FROM calls c JOIN functions f ON f.id = c.function
        LEFT JOIN calls p ON p.id = c.parent LEFT JOIN functions b ON b.id = p.function
    GROUP BY c.function, p.function ORDER BY total_ns DESC;
CREATE VIEW slowest AS
    SELECT * FROM named ORDER BY duration_ns DESC;
CREATE VIEW exceptions AS
    SELECT * FROM named WHERE left IN ('unwind', 'c_raise') ORDER BY begin_ns;
CREATE VIEW runs AS
    SELECT p.pid, c.activation, f.name, f.module, f.file, f.line, MAX(c.task) AS task,
        MIN(c.begin_ns) AS begin_ns, MAX(c.end_ns) AS end_ns, COUNT(*) AS stays,
        SUM(c.duration_ns) AS running_ns,
        MAX(c.left) FILTER (WHERE c.left <> 'yield') AS left
    FROM calls c JOIN functions f ON f.id = c.function JOIN threads t ON t.id = c.thread
        JOIN processes p ON p.id = t.process
    WHERE c.activation IS NOT NULL GROUP BY p.id, c.activation, c.function;
CREATE VIEW calls_per_second AS
    SELECT p.pid, t.tid, t.name AS thread_name, c.begin_ns / 1000000000 AS second,
        SUM(c.entered IN ('start', 'c_call')) AS calls
    FROM calls c JOIN threads t ON t.id = c.thread JOIN processes p ON p.id = t.process
    GROUP BY t.id, second ORDER BY t.id, second;
"""


def write(source: Source, path: str) -> None:
    """OptionError when ``path`` cannot be written or is something else, OSError when there is no
    room."""
    if sqlite3.sqlite_version_info < STRICT:
        raise OptionError(
            f"--format sqlite needs SQLite 3.37; this Python has {sqlite3.sqlite_version}"
        )
    _refuse_others(path)
    target = os.path.realpath(path)
    beside = f"{target}.{os.getpid()}.part"
    try:
        os.close(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    except OSError as error:
        raise OptionError(f"cannot write {path}: {error.strerror}") from None
    with _gone_unless_whole(beside):
        with _database(beside) as database:
            _fill(database, source)
        os.replace(beside, target)


@contextmanager
def _gone_unless_whole(path: str) -> Iterator[None]:
    """The file is removed by what comes in between, Ctrl-C and the like too: at their default they
    would end this process with no word to Python."""

    def end(number: int, _: object) -> None:
        with suppress(FileNotFoundError):  # it has taken its place
            os.unlink(path)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    ending = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    taken = [number for number in ending if signal.getsignal(number) is signal.SIG_DFL]
    for number in taken:
        signal.signal(number, end)
    try:
        yield
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(path)
        raise
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


def _refuse_others(path: str) -> None:
    try:
        with open(path, "rb") as file:
            head = file.read(ID_AT + 4)
    except FileNotFoundError:
        return
    except OSError as error:
        raise OptionError(f"cannot write {path}: {error.strerror}") from None
    if head[: len(MAGIC)] != MAGIC or head[ID_AT:] != ID.to_bytes(4, "big"):
        raise OptionError(f"cannot write {path}: it is there, and no database of pyftrace")


@contextmanager
def _database(path: str) -> Iterator[sqlite3.Connection]:
    """One that is written to the disk at the end, and not before."""
    database = sqlite3.connect(path, isolation_level=None)
    try:
        database.executescript(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
            f"PRAGMA cache_size = -{CACHE >> 10}; PRAGMA application_id = {ID}"
        )
        yield database
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from None
        raise OSError(errno.EIO, f"SQLite: {error}") from None
    except OverflowError:  # of a recording that somebody has made up
        raise OSError(errno.EOVERFLOW, "a number is too large for SQLite") from None
    finally:
        database.close()
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _fill(database: sqlite3.Connection, source: Source) -> None:
    database.executescript(TABLES)
    database.execute("BEGIN")
    places = ", ".join("?" * len(FIELDS))
    statement = f"INSERT INTO calls ({', '.join(FIELDS)}) VALUES ({places})"
    calls = Calls(lambda calls: database.executemany(statement, map(_printable, calls)))
    source.each(calls.feed, bounds=True)
    database.executemany(
        "INSERT INTO functions VALUES (?, ?, ?, ?, ?)",
        (
            (id, printable(f.name), printable(f.module), printable(f.file) or None, f.line or None)
            for id, f in enumerate(calls.functions.all())
        ),
    )
    _add_recording(database, source)  # now that its damage is known
    database.execute("COMMIT")
    database.executescript(INDEXES + VIEWS)


def _printable(call: Call) -> Call:
    """It is already, if pyftrace has recorded it; SQLite's text has no lone surrogates."""
    texts = call[TEXTS:]
    if texts == NO_TEXTS or all(text is None or text.isprintable() for text in texts):
        return call
    return *call[:TEXTS], *(None if text is None else printable(text) for text in texts)


def _add_recording(database: sqlite3.Connection, source: Source) -> None:
    recording = source.recording
    why = recording.why_incomplete()
    about = {
        "pyftrace": __version__,
        "recording": printable(recording.path),
        "began_unix_ns": recording.run["wall_ns"],
        "state": "INCOMPLETE" if why else "COMPLETE",
        "why": printable("; ".join(why)),
        "missing": recording.missing(),
    }
    database.executemany("INSERT INTO about VALUES (?, ?)", about.items())
    database.executemany(
        "INSERT INTO processes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            (id, p["pid"], p["parent"] or None, p["interpreter"], p["began_ns"],
             p["ended_ns"] or None, p["signal"] or None, printable(p["error"] or "") or None,
             p["lost"] + p["dropped"])
            for id, p in enumerate(recording.processes)
        ),
    )  # fmt: skip
    database.executemany(
        "INSERT INTO threads VALUES (?, ?, ?, ?, ?)",
        (
            (t["serial"], t["process"], t["tid"], printable(t["name"]), t["missing"])
            for t in recording.threads
        ),
    )
