"""The options of pyftrace: one table for the command line, ``PYFTRACE`` and keyword arguments.

Imported into traced processes, so it imports nothing.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

SORT_KEYS = ("total", "self", "calls", "avg", "min", "max", "name")
COLUMNS = ("self", "avg", "min", "max", "resumes", "module", "where")
FORMATS = ("table", "json", "csv")
VALUES = ("safe", "str", "none")
ALONE = ("all", "none")  # stand for a whole list
COLORS = ("auto", "always", "never")
DEFAULT_COLUMNS = ("self", "avg", "where")


class OptionError(ValueError):
    """A mistake of the user's, as one line."""


class Row:
    """One option: its names, the field it sets, how its value is read, its help."""

    __slots__ = ("choices", "dest", "group", "help", "kind", "metavar", "names")

    def __init__(
        self,
        names: str,
        dest: str,
        kind: str,
        group: str,
        help: str,
        metavar: str = "",
        choices: tuple[str, ...] = (),
    ) -> None:
        self.names = tuple(names.split())
        self.dest = dest
        self.kind = kind
        self.group = group
        self.help = help
        self.metavar = metavar
        self.choices = choices

    @property
    def takes_value(self) -> bool:
        return self.kind not in ("flag", "unflag", "count")

    @property
    def words(self) -> tuple[str, ...]:
        """What its value may be, where that is one of a few words, or a list of them."""
        return self.choices + (ALONE if self.kind == "columns" else ())


SCOPE, TREE, REPORT, RECORD, OUTPUT, HIDDEN = (
    "What is traced", "The tree", "The report", "The recording", "Output", "",
)  # fmt: skip

TABLE = (
    Row("-v --verbose", "verbose", "count", SCOPE,
        "also library and C functions that your code calls directly; -vv: all of them"),
    Row("--libs", "libs", "flag", SCOPE, "library functions, as -v has them"),
    Row("--no-libs", "libs", "unflag", SCOPE, "no library functions (after -v)"),
    Row("--builtins", "builtins", "flag", SCOPE, "C functions, as -v has them"),
    Row("--no-builtins", "builtins", "unflag", SCOPE, "no C functions (after -v)"),
    Row("--include", "include", "append", SCOPE,
        "count a package, a module or a path as your code, wherever it lies", "PKG|GLOB"),
    Row("--only", "only", "append", SCOPE, "your code is this package alone", "PKG"),
    Row("-f --function", "function", "append", SCOPE,
        "these functions and what they call", "PATTERN"),
    Row("-e --exclude-function", "exclude", "append", SCOPE,
        "not these functions nor what they call", "PATTERN"),
    Row("-H --hide", "hide", "append", SCOPE,
        "not these functions, but what they call", "PATTERN"),
    Row("-d --depth", "depth", "int", SCOPE, "show at most N levels", "N"),
    Row("-a --args", "args", "flag", TREE, "show arguments"),
    Row("-t --time", "time", "flag", TREE, "show durations"),
    Row("-p --path", "path", "flag", TREE, "show files: f@FILE:LINE"),
    Row("--values", "values", "choice", TREE,
        "safe: never running your code; str: by str(); none", "MODE", VALUES),
    Row("--value-length", "value_length", "int", TREE, "cut values at N characters (120)", "N"),
    Row("-r --report", "report", "flag", REPORT, "a table of times per function, not the tree"),
    Row("--sort", "sort", "words", REPORT, "by " + " ".join(SORT_KEYS), "KEY[,KEY]", SORT_KEYS),
    Row("--columns", "columns", "columns", REPORT,
        "besides the first three: " + " ".join(COLUMNS) + ", all or none", "NAME[,NAME]", COLUMNS),
    Row("--limit", "limit", "int", REPORT, "show N rows (0: all; 50 on a terminal)", "N"),
    Row("--format", "format", "choice", REPORT, "table, json or csv", "FORMAT", FORMATS),
    Row("--callers", "callers", "flag", RECORD, "record the line that each call comes from"),
    Row("--ring", "ring", "size", RECORD,
        "keep only the last SIZE of each thread: 4M, 512k (at least 256k)", "SIZE"),
    Row("--dump-on", "dump_on", "reason", RECORD,
        "keep a ring (16M) only if: exception, exception:GLOB, signal:USR1, slow:FUNC:200ms",
        "REASON"),
    Row("--max-dumps", "max_dumps", "int", RECORD, "keep the first N dumps (16)", "N"),
    Row("--max-size", "max_size", "size", RECORD,
        "stop recording when all files together take SIZE", "SIZE"),
    Row("--no-children", "no_children", "flag", RECORD, "not the processes that it starts"),
    Row("-o --output", "output", "text", OUTPUT, "write the tree or the report to FILE", "FILE"),
    Row("-q --quiet", "quiet", "flag", OUTPUT, "no notes, no warnings, no 'Running' line"),
    Row("--color", "color", "choice", OUTPUT, "auto, always or never", "WHEN", COLORS),
    Row("--launcher-pid", "launcher_pid", "int", HIDDEN, "the process to trace", "PID"),
    Row("--record", "record", "flag", HIDDEN, "write a recording"),
    Row("--run-id", "run_id", "text", HIDDEN, "the recording to join"),
    Row("--package", "package", "text", HIDDEN, "the package of -m", "PKG"),
)  # fmt: skip

# What ends the options, and what is a target though it looks like an option.
ENDS = (
    Row("-V --version", "", "flag", OUTPUT, "print the version"),
    Row("-h --help", "", "flag", OUTPUT, "print this help"),
)
TARGETS = (
    Row("-m", "", "target", OUTPUT, "run a module, as python -m does", "MODULE"),
    Row("-c", "", "target", OUTPUT, "run code, as python -c does", "CODE"),
)

_END = {name: row.names[0] for row in ENDS for name in row.names}
_TARGET = tuple(name for row in TARGETS for name in row.names)
_BY_NAME = {name: row for row in TABLE for name in row.names}

OF_THE_TREE = ("time", "path", "color")  # how it looks: said when a recording is looked at
DEFAULTS: "dict[str, Any]" = {
    "verbose": 0, "libs": None, "builtins": None, "include": (), "only": (), "function": (),
    "exclude": (), "hide": (), "depth": 0, "args": False, "time": False, "path": False,
    "values": None, "value_length": 120, "report": False, "sort": ("total",),
    "columns": DEFAULT_COLUMNS, "limit": None, "format": None, "output": None, "quiet": False,
    "color": "auto", "launcher_pid": 0, "package": None, "record": False, "run_id": None,
    "callers": False, "ring": 0, "max_size": 0, "no_children": False, "dump_on": (),
    "max_dumps": 16,
}  # fmt: skip


class Options:
    """All options of one run, checked and immutable. Keywords are the fields of the table."""

    if TYPE_CHECKING:
        verbose: int
        libs: bool | None
        builtins: bool | None
        include: tuple[str, ...]
        only: tuple[str, ...]
        function: tuple[str, ...]
        exclude: tuple[str, ...]
        hide: tuple[str, ...]
        depth: int
        args: bool
        time: bool
        path: bool
        values: str | None
        value_length: int
        report: bool
        sort: tuple[str, ...]
        columns: tuple[str, ...]
        limit: int | None
        format: str | None
        output: str | None
        quiet: bool
        color: str
        launcher_pid: int
        package: str | None
        record: bool
        run_id: str | None
        callers: bool
        ring: int
        max_size: int
        no_children: bool
        dump_on: tuple[str, ...]
        max_dumps: int

    __slots__ = tuple(DEFAULTS)

    def __init__(self, **fields: "Any") -> None:
        for dest, default in DEFAULTS.items():
            value = fields.pop(dest, None)
            object.__setattr__(self, dest, default if value is None else _checked(dest, value))
        if fields:
            name = next(iter(fields))
            raise OptionError(f"unknown option '{name}'{did_you_mean(name, DEFAULTS)}")
        for row in TABLE:
            given = getattr(self, row.dest) != DEFAULTS[row.dest]
            # A notebook bounds its tree by --limit too.
            of_report = row.group == REPORT and row.dest != "limit"
            if given and of_report and not self.report and not self.record:
                raise OptionError(f"{row.names[-1]} goes with --report")
            if given and self.record and (row.group == REPORT or row.dest in OF_THE_TREE):
                raise OptionError(f"{row.names[-1]} does not go with record")
            if given and not self.record and row.group == RECORD:
                raise OptionError(f"{row.names[-1]} goes with record")
        if self.dump_on and self.max_size:
            raise OptionError("--max-size does not go with --dump-on: --max-dumps bounds it")
        if self.max_dumps != DEFAULTS["max_dumps"] and not self.dump_on:
            raise OptionError("--max-dumps goes with --dump-on")
        if 0 < self.ring < 256 << 10:
            raise OptionError("--ring: at least 256k")
        # One ring is reserved whole, and the functions' names need room beside it.
        if self.ring and 0 < self.max_size < self.ring + (64 << 10):
            raise OptionError("--max-size: no room for one --ring (at least 64k more than it)")

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"options are immutable: {name}")

    def _key(self) -> "tuple[Any, ...]":
        return tuple(getattr(self, dest) for dest in DEFAULTS)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Options) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        shown = (f"{d}={getattr(self, d)!r}" for d in DEFAULTS if getattr(self, d) != DEFAULTS[d])
        return f"Options({', '.join(shown)})"

    def replace(self, **fields: "Any") -> "Options":
        """A copy with some fields changed."""
        own = {dest: getattr(self, dest) for dest in DEFAULTS}
        # A default is not always a value that may be given: depth 0.
        return Options(**{d: v for d, v in own.items() if v != DEFAULTS[d]} | fields)

    def _reach(self, piece: bool | None) -> str:
        if piece is False:
            return "none"
        level = self.verbose or (1 if piece else 0)
        return ("none", "direct", "all")[min(level, 2)]

    def tap_keywords(self) -> "dict[str, Any]":
        """What the engine's Tap takes: filter and look, but not where the output goes."""
        look: dict[str, Any] = {}
        if self.record:
            look = {"callers": self.callers, "ring": self.ring}
        if self.dump_on:
            from pyftrace import flight

            look |= flight.tap_keywords(self)
        return look | {
            "values": self.values or ("none" if self.record else "safe"),
            "libs": self._reach(self.libs),
            "builtins": self._reach(self.builtins),
            **{name: getattr(self, name) for name in (
                "include", "only", "function", "exclude", "hide", "depth", "args",
                "value_length", "time", "path")},
            "color": self.color == "always",
        }  # fmt: skip

    def style(self) -> "tuple[str, tuple[str, ...], tuple[str, ...], int, bool]":
        """How the report is printed: format, sort, columns, limit, footer."""
        return (self.format or "table", self.sort, self.columns, self.limit or 0, not self.quiet)


def _checked(dest: str, value: "Any") -> "Any":
    return checked(next(row for row in TABLE if row.dest == dest), value)


def checked(row: Row, value: "Any") -> "Any":
    """The value of a field in its canonical form, from an argument's text or a keyword's value."""
    name, dest = row.names[-1], row.dest
    if row.kind in ("flag", "unflag"):
        return bool(value)
    if row.kind in ("int", "count"):
        free = dest in ("limit", "verbose", "launcher_pid")
        return checked_int(name, value, least=0 if free else 1)
    if row.kind == "text":
        return _checked_text(name, value)
    if row.kind == "size":
        return checked_size(name, value)
    if row.kind == "choice":
        if value not in row.choices:
            raise OptionError(f"{name}: '{value}' is none of {', '.join(row.choices)}")
        return value
    try:
        words = (value,) if isinstance(value, str) else tuple(value)
    except TypeError:
        raise OptionError(f"{name}: {value!r} is no text") from None
    if row.kind == "append":
        return tuple(checked_pattern(name, word) for word in words)
    if row.kind == "reason":
        from pyftrace.flight import checked as checked_reason

        return tuple(word for word in words if checked_reason(name, word))
    return _checked_words(row, [part for word in words for part in word.split(",") if part])


def checked_int(name: str, value: "Any", least: int) -> int:
    """A whole number, at least ``least``, from an argument's text or a keyword's value."""
    try:
        number = int(value)
    except (TypeError, ValueError):
        raise OptionError(f"{name}: '{value}' is not a whole number") from None
    if not least <= number <= 2**31 - 1:
        raise OptionError(f"{name}: {number} is out of range (at least {least})")
    return number


def checked_duration(text: str) -> int:
    """Nanoseconds from ``5us``, ``1.5ms``, ``2s``, ``3m`` or plain seconds."""
    units = {"ns": 1, "us": 1000, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "": 10**9}
    unit = next(unit for unit in units if text.endswith(unit))
    try:
        ns = int(float(text.removesuffix(unit)) * units[unit])
    except (ValueError, OverflowError):
        raise OptionError(f"'{text}' is no time; 5us, 1.5ms or 2s is") from None
    if not 0 <= ns < 1 << 62:
        raise OptionError(f"{text} is out of range")
    return ns


def checked_size(name: str, value: "Any") -> int:
    """Bytes from a number or a text like ``512k``, ``4M``, ``1.5G`` (powers of 1024)."""
    text = str(value).strip().lower().removesuffix("ib").removesuffix("b")
    factor = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}.get(text[-1:], 1)
    try:
        size = int(float(text.rstrip("kmgt") if factor > 1 else text) * factor)
    except (ValueError, OverflowError):
        raise OptionError(f"{name}: '{value}' is no size; 512k, 4M or 1G is") from None
    if not 0 < size < 1 << 50:
        raise OptionError(f"{name}: {value} is out of range")
    return size


def _checked_text(name: str, value: "Any") -> str:
    text = value if isinstance(value, str) else getattr(value, "__fspath__", str)()
    if not text:
        raise OptionError(f"{name}: a name is missing")
    return str(text)


def checked_pattern(name: str, pattern: "Any") -> str:
    """A glob that can match."""
    if not isinstance(pattern, str) or not pattern:
        raise OptionError(f"{name}: bad pattern {pattern!r}: a name or glob is expected")
    rest = pattern
    while "[" in rest:
        rest = rest.partition("[")[2]
        _, close, rest = rest[1:].partition("]") if rest else ("", "", "")
        if not close:
            raise OptionError(f"{name}: bad pattern '{pattern}': '[' is not closed")
    try:
        pattern.encode()
    except UnicodeEncodeError:
        raise OptionError(f"{name}: bad pattern {pattern!r}: it is not text") from None
    return pattern


def _checked_words(row: Row, words: "list[str]") -> tuple[str, ...]:
    if row.kind == "columns" and words in (["all"], ["none"], []):
        return COLUMNS if words == ["all"] else ()
    for word in words:
        if word not in row.choices:
            raise OptionError(f"{row.names[-1]}: '{word}' is none of {', '.join(row.choices)}")
    if not words:
        raise OptionError(f"{row.names[-1]}: a name is missing")
    return tuple(dict.fromkeys(words))


def distance(a: str, b: str, most: int) -> int:
    """How many letters differ between two words (inserted, left out, replaced), at most ``most +
    1``."""
    if abs(len(a) - len(b)) > most:
        return most + 1
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (x != y))
        if min(row) > most:
            return most + 1
    return row[-1]


def nearest(name: str, known: "Iterable[str]") -> str | None:
    """The known name that a mistyped one is likely to mean; None when none is close, or the name is
    so long that looking would take long.

    Our own, not difflib's: at a traced program's end nothing may be imported (a module that evals
    text makes CPython forget that a KeyboardInterrupt is about to end the process)."""
    if len(name) > 200:
        return None
    most = 1 + len(name) // 4
    best, found = most + 1, None
    for other in sorted(known):
        if name and name in other and len(other) <= 2 * len(name) and best > most:
            found = found or other
            continue
        apart = distance(name, other, min(most, best - 1))
        if apart < best:
            best, found = apart, other
    return found


def did_you_mean(name: str, known: "Iterable[str]") -> str:
    """``; did you mean X?`` when a known name is close, else nothing."""
    close = nearest(name, known)
    return f"; did you mean {close}?" if close else ""


# ---- from words ----------------------------------------------------------------------------------


def parse(words: "list[str]") -> "tuple[dict[str, Any], list[str], str | None]":
    """Options before the target: their fields, the words from the target on, and what ended it.

    The third is ``-h`` or ``-V`` when one of them was asked for, ``--`` when that preceded the
    target (a file then, even if named like a verb), else None. The target of ``-m`` and ``-c``
    begins with these words themselves."""
    fields: dict[str, Any] = {}
    at = 0
    while at < len(words):
        word = words[at]
        if word == "--":
            return fields, words[at + 1 :], "--"
        if word == "-" or not word.startswith("-") or word[:2] in _TARGET:
            break
        if word in _END:
            return fields, words[at + 1 :], _END[word]
        at += 1
        if word.startswith("--"):
            at = _long(fields, word, words, at)
        else:
            at = _short(fields, word, words, at)
    return fields, words[at:], None


def _long(fields: "dict[str, Any]", word: str, words: "list[str]", at: int) -> int:
    name, equals, value = word.partition("=")
    row = _BY_NAME.get(name)
    if row is None:
        public = [n for r in TABLE if r.group for n in r.names if n.startswith("--")]
        raise OptionError(f"unknown option {name}{did_you_mean(name, public)}")
    if not row.takes_value:
        if equals:
            raise OptionError(f"{name} takes no value")
        _set(fields, row, "")
        return at
    if not equals:
        if at >= len(words):
            raise OptionError(f"{name} needs a value: {name} {row.metavar}")
        value = words[at]
        at += 1
    _set(fields, row, value)
    return at


def _short(fields: "dict[str, Any]", word: str, words: "list[str]", at: int) -> int:
    for i in range(1, len(word)):
        name = "-" + word[i]
        row = _BY_NAME.get(name)
        if row is None:
            raise OptionError(f"unknown option {name}" + (f" in {word}" if len(word) > 2 else ""))
        if not row.takes_value:
            _set(fields, row, "")
            continue
        value = word[i + 1 :].removeprefix("=")
        if not value:
            if at >= len(words):
                raise OptionError(f"{name} needs a value: {name} {row.metavar}")
            value = words[at]
            at += 1
        _set(fields, row, value)
        break
    return at


def _set(fields: "dict[str, Any]", row: Row, value: str) -> None:
    if row.kind == "count":
        fields[row.dest] = fields.get(row.dest, 0) + 1
    elif row.kind in ("flag", "unflag"):
        fields[row.dest] = row.kind == "flag"
    elif row.kind in ("append", "reason"):
        fields[row.dest] = (*fields.get(row.dest, ()), value)
    else:
        fields[row.dest] = value
    if row.kind not in ("flag", "unflag", "count"):
        _checked(row.dest, fields[row.dest])


# ---- for people's eyes ---------------------------------------------------------------------------


def printable(text: str) -> str:
    """On one line, and without what a terminal would take for an order."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def shell_word(word: str) -> str:
    """A word as a shell reads it, printable."""
    if word and all(c.isascii() and (c.isalnum() or c in "@%+=:,./_-") for c in word):
        return word
    if word.isprintable():
        return "'" + word.replace("'", "'\"'\"'") + "'"
    return "$'" + "".join(_shell_char(c) for c in word) + "'"


def _shell_char(c: str) -> str:
    code = ord(c)
    if c in "\\'":
        return "\\" + c
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is no UTF-8
        return f"\\x{code - 0xDC00:02x}"
    if 0x80 <= code < 0x100 and not c.isprintable():  # \x is a byte there
        return f"\\u{code:04x}"
    return printable(c)


# ---- to and from the environment -----------------------------------------------------------------


def words_of(options: Options) -> "list[str]":
    """Words that parse() reads back into the same options."""
    words: list[str] = []
    for row in TABLE:
        value = getattr(options, row.dest)
        if value == DEFAULTS[row.dest]:
            continue
        name = row.names[-1]
        if row.kind == "count":
            words += [name] * value
        elif row.kind in ("flag", "unflag"):
            words += [name] if value == (row.kind == "flag") else []
        elif row.kind in ("append", "reason"):
            words += [f"{name}={item}" for item in value]
        elif row.kind in ("words", "columns"):
            words.append(f"{name}={','.join(value) or 'none'}")
        else:
            words.append(f"{name}={value}")
    return words


EMPTY = '""'


def join(words: "Iterable[str]") -> str:
    """Words as one text: blanks between them, backslashes before blanks and backslashes within; one
    without letters is two quotes."""

    def quote(word: str) -> str:
        if word in ("", EMPTY):
            return "\\" * len(word[:1]) + EMPTY
        return "".join("\\" + c if c in "\\ \t\n" else c for c in word)

    return " ".join(quote(word) for word in words)


def split(text: str) -> "list[str]":
    """The opposite of join()."""
    words: list[str] = []
    word: str | None = None
    escaped = False
    begin = 0
    for at, c in enumerate(text + " "):
        if escaped and at < len(text):
            word, escaped = (word or "") + c, False
        elif c == "\\":
            word, escaped = word or "", True
        elif c in " \t\n":
            if word is not None:
                words.append("" if text[begin:at] == EMPTY else word)
            word, begin = None, at + 1
        else:
            word = (word or "") + c
    if escaped:
        raise OptionError("a backslash ends the text")
    return words
