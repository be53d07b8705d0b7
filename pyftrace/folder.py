"""The directory of a recording: made, joined, rotated or refused. Only what is ours is ever moved
or deleted."""

import os
import stat

DEFAULT = "pyftrace.data"
SUFFIXES = (".defs", ".lane", ".fail")
RING, DUMP = "ring.", "dump-"  # folders within a flight recorder's directory: recordings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class FolderError(Exception):
    """Why a directory cannot take a recording, as one line."""


class Alone:
    """While it is entered, no other process makes, moves or takes along the recording of that path,
    or what goes by its name; where a lock cannot be had one goes on without."""

    def __init__(self, engine: "Any", path: str) -> None:
        self._engine, self._path = engine, os.path.abspath(path)

    def __enter__(self) -> None:
        self._lock = self._engine.lock_run(self._path)

    def __exit__(self, *exc: object) -> None:
        self._lock = None


def prepare(
    engine: "Any",
    path: str,
    pid: int,
    max_size: int,
    foreign: bool,
    facts: "tuple[str, ...]",
    inside: bool = False,
) -> "tuple[str, str, str | None]":
    """Make the directory for a new run, :class:`Alone`: its absolute path, the run's id and a note
    for the user.

    An older recording of ours is rotated to ``PATH.old``; one that is being written is stepped
    around (``PATH.PID``); anything else is refused. ``inside``: the process that records is
    itself the run, so an earlier run of its own that has ended may be rotated."""
    path = os.path.abspath(path)
    note, own_pid = None, pid if inside else 0
    if os.path.lexists(path) and _is_living(engine, path, own_pid):
        note = f"{path} is being written by another run; this one goes to {path}.{pid}"
        path = f"{path}.{pid}"
        if os.path.lexists(path) and _is_living(engine, path, own_pid):
            raise FolderError(f"{path} is being written too")
    rotated = os.path.lexists(path)
    if rotated:
        _rotate(engine, path, own_pid)
    new = {"max_size": max_size, "foreign": foreign, "rotated": rotated, "facts": clean(facts)}
    return path, _create(engine, path, pid, new), note


def join(
    engine: "Any", path: str, pid: int, max_size: int, facts: "tuple[str, ...]"
) -> "tuple[str, str]":
    """For a ``PYFTRACE`` set by hand: the directory is made if it is absent, joined if it is ours,
    never rotated. The path and the id of the run that is there."""
    path = os.path.abspath(path)
    with Alone(engine, path):
        return path, join_alone(engine, path, pid, max_size, facts, None)


def join_alone(
    engine: "Any",
    path: str,
    pid: int,
    max_size: int,
    facts: "tuple[str, ...]",
    run_id: "str | None",
) -> str:
    """The same for who is alone already; what is made is made as that run's."""
    try:
        given = bytes.fromhex(run_id or "")
        if len(given) not in (0, 16):
            raise ValueError
    except ValueError:
        raise FolderError(f"'{run_id}' is no id of a recording") from None
    if not os.path.lexists(path):
        try:
            new = {"max_size": max_size, "facts": clean(facts), "run_id": given}
            return _create(engine, path, pid, new)
        except FileExistsError:
            pass  # there is no lock, then
    _refuse_link(path)
    try:
        found: str = engine.read_run(path)[0]
    except FileNotFoundError:
        raise FolderError(f"{path} is no recording of ours") from None
    except OSError as error:
        raise FolderError(f"cannot record to {path}: {error.strerror}") from None
    return found


def beside(path: str, run_id: str) -> str:
    """Where a run goes on whose name another has by then; ft_flight_ring_again says the same."""
    return f"{path}.{run_id[:8]}"


def move(engine: "Any", source: str, path: str) -> None:
    """A recording that this process has ended, or one whose process is dead, gets its name; an
    older one of that name is rotated to ``PATH.old``, anything else is in the way."""
    with Alone(engine, path):
        _refuse_living(engine, source)
        if os.path.lexists(path):
            _refuse_living(engine, path)
            _rotate(engine, path, os.getpid())
        _rename(source, path)


def discard(engine: "Any", path: str) -> None:
    """Delete a recording that this process has ended, or one whose process is dead."""
    with Alone(engine, path):
        _refuse_living(engine, path)
        delete(path)


def _create(engine: "Any", path: str, pid: int, new: "dict[str, Any]") -> str:
    try:
        run_id: str = engine.create_run(path, pid, **new)
    except FileExistsError:
        raise
    except OSError as error:
        raise FolderError(f"cannot record to {path}: {error.strerror}") from None
    return run_id


def clean(facts: "tuple[str, ...]") -> "tuple[bytes, ...]":
    """As the format has texts, which end with a NUL there."""
    return tuple(fact.encode("utf-8", "surrogatepass").replace(b"\0", b" ") for fact in facts)


def _ours(engine: "Any", path: str) -> "tuple[int, bool]":
    """(first pid, alive); FolderError when it is no recording of ours."""
    _refuse_link(path)
    try:
        _, first, alive, *_ = engine.read_run(path)
    except OSError:
        raise FolderError(f"{path} is no recording of ours; name another with -o") from None
    return first, alive


def is_subinterpreter(defs: str) -> bool:
    """Whether a file of definitions is a sub-interpreter's: a flag in its head (format.h)."""
    import sys

    try:
        with open(defs, "rb") as file:
            head = file.read(24)
    except OSError:
        return False
    return bool(int.from_bytes(head[20:24], sys.byteorder) & 1 << 3)


def _refuse_link(path: str) -> None:
    """Whoever can plant a link could have us write into another's recording."""
    try:
        link = stat.S_ISLNK(os.lstat(path).st_mode)
    except OSError:
        return  # gone: the next look at it says so
    if link:
        raise FolderError(f"{path} is a symbolic link, not a recording; name another with -o")


def _is_living(engine: "Any", path: str, own_pid: int) -> bool:
    """Whether the run there goes on: its first process lives, if that is not this one,
    ``own_pid``; or any that records there."""
    first, alive = _ours(engine, path)
    if (alive and first != own_pid) or engine.is_written(path):
        return True
    return any(_is_alive(engine, path, name) for name in parts(path) if name.startswith(RING))


def _refuse_living(engine: "Any", path: str) -> None:
    if _is_living(engine, path, os.getpid()):
        raise FolderError(f"{path} is still being written")


def _is_alive(engine: "Any", path: str, ring: str) -> bool:
    try:
        alive: bool = engine.read_run(os.path.join(path, ring))[2]
    except OSError:
        return False  # it is a dump by now, or gone
    return alive


def is_part(name: str) -> bool:
    """Whether that is a ring's or a dump's name."""
    return name.startswith((RING, DUMP))


def parts(path: str) -> "list[str]":
    """The dumps of a flight recorder's directory, oldest first, and then the rings: names."""
    try:
        names = os.listdir(path)
    except OSError:
        return []
    dumps = [name for name in names if name.startswith(DUMP) and name[len(DUMP) :].isdigit()]
    rings = [name for name in names if name.startswith(RING)]
    return [
        name
        for name in (*sorted(dumps, key=lambda name: int(name[len(DUMP) :])), *sorted(rings))
        if os.path.exists(os.path.join(path, name, "run"))
    ]


def rings(path: str, pid: int) -> "list[str]":
    """Those of that process."""
    own = f"{RING}{pid}"
    return [name for name in parts(path) if name == own or name.startswith(own + ".")]


def chosen(parts: "list[str]") -> str:
    """The one that is looked at unless another is named: the last dump, else the last ring."""
    return ([name for name in parts if name.startswith(DUMP)] or parts)[-1]


def _is_own_name(name: str) -> bool:
    return name == "run" or name.endswith(SUFFIXES)


def _rotate(engine: "Any", path: str, own_pid: int) -> None:
    old = path + ".old"
    if os.path.lexists(old):
        try:
            alive = _is_living(engine, old, own_pid)
        except FolderError:
            raise FolderError(f"{old} is in the way and no recording of ours") from None
        if alive:
            raise FolderError(f"{old} is still being written")
        delete(old)
    _rename(path, old)


def _rename(source: str, target: str) -> None:
    try:
        os.rename(source, target)
    except OSError as error:
        raise FolderError(f"cannot rename {source} to {target}: {error.strerror}") from None


def delete(folder: str) -> None:
    """A recording, or a flight recorder's directory with all that it holds; FolderError when there
    is more in it, and nothing is deleted then, or when it cannot be deleted."""
    _check_own(folder)
    try:
        _delete(_away(folder))
    except OSError as error:
        raise FolderError(f"cannot delete {folder}: {error.strerror}") from None


def take_along(engine: "Any", home: str) -> None:
    """A flight recorder's directory in which nothing but ``run`` is left goes, unless it is its
    first process's to do that; an older recording that had made way gets its name back, unless the
    run goes on."""
    with Alone(engine, home):
        if not os.path.lexists(home) or not _is_empty(home):
            return
        _, first, alive, foreign, rotated = engine.read_run(home)
        goes_on = alive and first != os.getpid()
        if goes_on and not foreign:
            return
        try:
            gone = _away(home)
        except OSError:
            return  # nothing can be moved there: it stays
        if not _is_empty(gone):  # we were not alone
            _rename(gone, home)
            return
        if rotated and not goes_on:
            _name_back(engine, home)
        _delete(gone)


def _is_empty(home: str) -> bool:
    """But for ``run``, and for empty folders, which processes left that were killed while they made
    or deleted their ring: those go. One that is just making another ring has its first there."""
    rings = [os.path.join(home, name) for name in os.listdir(home) if name != "run"]
    try:
        if any(not is_part(os.path.basename(ring)) or os.listdir(ring) for ring in rings):
            return False
        for ring in rings:
            os.rmdir(ring)
    except OSError:
        return False  # gone just now: its process comes here next
    return True


def _name_back(engine: "Any", path: str) -> None:
    try:
        _ours(engine, path + ".old")
        _rename(path + ".old", path)
    except FolderError:
        pass  # it is gone, or another's by now


def _check_own(folder: str) -> None:
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        is_folder = stat.S_ISDIR(os.lstat(path).st_mode)
        if not (is_part(name) if is_folder else _is_own_name(name)):
            raise FolderError(f"{folder} holds more than a recording ({name}); remove it yourself")
        if is_folder:
            _check_own(path)


def _away(folder: str) -> str:
    """Under a name that nobody looks for: half deleted, it would be in the way for good."""
    gone = f"{folder}.{os.urandom(4).hex()}.gone"
    os.rename(folder, gone)
    return gone


def _delete(folder: str) -> None:
    # `run` goes last: without it nobody could tell that the rest is ours.
    for name in sorted(os.listdir(folder), key=lambda name: name == "run"):
        path = os.path.join(folder, name)
        if is_part(name):
            _delete(path)
        else:
            os.unlink(path)
    os.rmdir(folder)
