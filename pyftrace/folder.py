"""The directory of a recording: made, joined, rotated or refused. Only what is ours is ever moved
or deleted."""

import os
import stat

DEFAULT = "pyftrace.data"
WAITS = 100  # looks at a directory that another process makes or takes away, 10 ms apart
SUFFIXES = (".defs", ".lane", ".fail")
RING, DUMP = "ring.", "dump-"  # folders within a flight recorder's directory: recordings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class FolderError(Exception):
    """Why a directory cannot take a recording, as one line."""


def prepare(
    engine: "Any",
    path: str,
    pid: int,
    max_size: int,
    foreign: bool,
    facts: "tuple[str, ...]",
    inside: bool = False,
) -> "tuple[str, str, str | None]":
    """Make the directory for a new run: its absolute path, the run's id and a note for the user.

    An older recording of ours is rotated to ``PATH.old``; one that is being written is stepped
    around (``PATH.PID``); anything else is refused. ``inside``: the process that records is
    itself the run, so an earlier run of its own that has ended may be rotated."""
    path = os.path.abspath(path)
    note = None
    if os.path.lexists(path):
        if _is_living(engine, path, pid if inside else 0):
            note = f"{path} is being written by another run; this one goes to {path}.{pid}"
            path = f"{path}.{pid}"
            if os.path.lexists(path):
                raise FolderError(f"{path} exists already")
        else:
            _rotate(engine, path, pid if inside else 0)
    return path, _create(engine, path, pid, max_size, foreign, facts), note


def join(
    engine: "Any",
    path: str,
    pid: int,
    max_size: int,
    facts: "tuple[str, ...]",
    run_id: "str | None" = None,
) -> "tuple[str, str]":
    """For a ``PYFTRACE`` set by hand, and for a run whose directory is gone: that is made if it is
    absent, joined if it is ours, never rotated. The path and the id of the run that is there."""
    path = os.path.abspath(path)
    for _ in range(WAITS):
        try:
            return path, _create(engine, path, pid, max_size, False, facts, run_id)
        except FileExistsError:
            _refuse_link(path)
        try:
            return path, engine.read_run(path)[0]
        except FileNotFoundError:
            if _is_foreign(path):
                break
        except OSError as error:
            raise FolderError(f"cannot record to {path}: {error.strerror}") from None
        import time

        time.sleep(0.01)  # another process of ours makes it just now, or takes it away
    raise FolderError(f"{path} is no recording of ours")


def move(engine: "Any", source: str, path: str) -> None:
    """A recording that this process has ended, or one whose process is dead, gets its name; an
    older one of that name is rotated to ``PATH.old``, anything else is in the way."""
    pid = os.getpid()
    if _is_living(engine, source, pid):
        raise FolderError(f"{source} is still being written")
    if os.path.lexists(path):
        if _is_living(engine, path, pid):
            raise FolderError(f"{path} is still being written")
        _rotate(engine, path, pid)
    _rename(source, path)


def discard(engine: "Any", path: str) -> None:
    """Delete a recording that this process has ended, or one whose process is dead."""
    if _is_living(engine, path, os.getpid()):
        raise FolderError(f"{path} is still being written")
    delete(path)


def _create(
    engine: "Any",
    path: str,
    pid: int,
    max_size: int,
    foreign: bool,
    facts: "tuple[str, ...]",
    run_id: "str | None" = None,
) -> str:
    try:
        given = bytes.fromhex(run_id) if run_id else None
        made: str = engine.create_run(
            path, pid, max_size=max_size, foreign=foreign, facts=clean(facts), run_id=given
        )
    except FileExistsError:
        raise
    except ValueError:
        raise FolderError(f"'{run_id}' is no id of a recording") from None
    except OSError as error:
        raise FolderError(f"cannot record to {path}: {error.strerror}") from None
    return made


def clean(facts: "tuple[str, ...]") -> "tuple[bytes, ...]":
    """As the format has texts, which end with a NUL there."""
    return tuple(fact.encode("utf-8", "surrogatepass").replace(b"\0", b" ") for fact in facts)


def _is_foreign(path: str) -> bool:
    """Whether there is something that no recording of ours can have, not even for a moment. What
    is gone, or whole by now, is not foreign."""
    try:
        return not all(_is_own_name(name) or is_part(name) for name in os.listdir(path))
    except FileNotFoundError:
        return False
    except OSError:
        return True


def _ours(engine: "Any", path: str) -> "tuple[str, int, bool]":
    """(id, first pid, alive); FolderError when it is no recording of ours."""
    _refuse_link(path)
    try:
        found: tuple[str, int, bool] = engine.read_run(path)
    except OSError:
        raise FolderError(f"{path} is no recording of ours; name another with -o") from None
    return found


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
    """Whether the run there goes on: its first process lives; if that is this one, ``own_pid``,
    whether something it wrote has no end yet."""
    _, first, alive = _ours(engine, path)
    if not alive or first != own_pid:
        return alive
    if rings(path, own_pid):
        return True
    recording = engine.Recording(path)
    return not all(item["ended_ns"] for item in recording.processes if item["pid"] == own_pid)


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
    return name in ("run", "run.new") or name.endswith(SUFFIXES)


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
        _delete(folder)
    except OSError as error:
        raise FolderError(f"cannot delete {folder}: {error.strerror}") from None


def delete_empty(home: str) -> None:
    """Take a flight recorder's directory along if nothing but ``run`` is left in it; it stays when
    another process makes its ring there meanwhile."""
    run = os.path.join(home, "run")
    try:
        while os.listdir(home) == ["run"]:
            with open(run, "rb") as file:
                content = file.read()
            os.unlink(run)
            try:
                os.rmdir(home)
            except OSError:
                fd = os.open(run, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
                with open(fd, "wb") as file:
                    file.write(content)
            # Once more: the other may have ended meanwhile, and saw no ``run`` to take along.
    except FileNotFoundError:
        pass  # another process has taken it along


def name_back(engine: "Any", path: str) -> None:
    """A run that left nothing gives an older recording its name back."""
    old = path + ".old"
    if os.path.lexists(path) or not os.path.lexists(old):
        return
    try:
        _ours(engine, old)
        os.mkdir(path)  # whoever makes that again has been too late now, and waits
    except (OSError, FolderError):
        return  # it stays where it is
    try:
        os.rename(old, path)
    except OSError:
        os.rmdir(path)


def _check_own(folder: str) -> None:
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        is_folder = stat.S_ISDIR(os.lstat(path).st_mode)
        if not (is_part(name) if is_folder else _is_own_name(name)):
            raise FolderError(f"{folder} holds more than a recording ({name}); remove it yourself")
        if is_folder:
            _check_own(path)


def _delete(folder: str) -> None:
    # `run` goes last: without it nobody could tell that the rest is ours.
    for name in sorted(os.listdir(folder), key=lambda name: name == "run"):
        path = os.path.join(folder, name)
        if is_part(name):
            _delete(path)
        else:
            os.unlink(path)
    os.rmdir(folder)
