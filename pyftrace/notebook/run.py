"""One traced statement or cell: a tap of its own, and what is shown of it."""

import re
import sys
import threading
from collections import deque
from contextvars import ContextVar, copy_context
from types import TracebackType
from typing import Any, Self

from IPython.core.error import UsageError
from IPython.display import display

from pyftrace import options as opts
from pyftrace.api import new_tap
from pyftrace.notebook.options import REPORT_LIMIT, TREE_LIMIT
from pyftrace.totals import Report, Row

# The runs that a piece of code is part of: what a cell starts, tasks too, has inherited its.
_running: ContextVar[tuple["Run", ...]] = ContextVar("pyftrace_running", default=())


_LINE = re.compile(r"[^\n]*\n|[^\n]+")


class _Lines:
    """Where a tree goes: the first lines at once, of the others the last ones at the end.

    Not those of tasks that an earlier run has left behind, which go on while this one waits; and
    all to this cell, where a kernel would send what a task writes to the cell that started it."""

    def __init__(self, run: "Run", stream: Any, limit: int, own: str) -> None:
        self._run = run
        self._stream_write = stream.write
        self._names = run.names
        self._own = own
        self._thread = threading.get_ident()
        self._context = copy_context()
        self._room = limit - limit // 5
        self._last: deque[str] = deque(maxlen=limit // 5)
        self._kept_back = 0
        self._all = limit == 0
        self.lines = 0
        self.left_behind = False

    def _write(self, text: str) -> None:
        if self._run in _running.get():
            self._stream_write(text)
        else:
            self._context.copy().run(self._stream_write, text)

    def write(self, text: str) -> None:
        """What the engine has to say: a line, or several that it kept while it could not."""
        lines = _LINE.findall(text)
        runs = _running.get()
        left_behind = runs and self._run not in runs and threading.get_ident() == self._thread
        if left_behind and len(lines) == 1:
            self.left_behind = True
            return
        self.lines += len(lines)
        for line in lines:
            if self._all or self._room > 0:
                self._room -= 1
                self._write(self._names.readable(line, self._own))
            else:
                self._kept_back += 1
                self._last.append(line)

    def finish(self) -> None:
        """What is left, and how much is not."""
        left_out = self._kept_back - len(self._last)
        lines = [self._names.readable(line, self._own) for line in self._last]
        if left_out:
            lines.insert(0, f"... {left_out:,} lines left out (--limit 0: none)\n")
        if lines:
            self._write("".join(lines))


class Names:
    """Cells have files that exist in IPython's memory alone: /tmp/ipykernel_7/1234.py. People know
    them as In[5]."""

    _NUMBER = re.compile(r"\d+(\x1b\[\d*m)*\n?")
    # A place in a line of the tree: at its end after "from", or as -p has it.
    _PLACE = re.compile(r"(?<=[ @])(?P<file>[^\s@]*\.py|<ipython-input-[^>\s]*>)(?=:\d+|$)")

    def __init__(self, shell: Any) -> None:
        self._shell = shell

    def cell(self, file: str) -> str | None:
        """``In[5]`` for the file of a cell, or for its name without folders."""
        known: dict[str, Any] = getattr(self._shell.compile, "_filename_map", {})
        number = known.get(file)
        if number is None and "/" not in file:
            number = next((n for name, n in known.items() if name.endswith("/" + file)), None)
        return None if number is None else f"In[{number}]"

    def readable(self, line: str, own: str = "") -> str:
        """A line of the tree, or of a table. ``own``: the file of the cell that is shown."""
        called, here, number = line.rpartition(f" from {own}:")
        if own and here and self._NUMBER.fullmatch(number):
            return f"{called} from line {number}"
        if ".py" not in line and "<ipython" not in line:
            return line
        return self._PLACE.sub(lambda m: self.cell(m["file"]) or m["file"], line)


class _CellReport(Report):
    """A report whose places are cells."""

    def __init__(self, tap: Any, options: opts.Options, names: Names) -> None:
        super().__init__(tap, options)
        self._names = names

    def render(self, format: str = "table") -> str:
        text = super().render(format)
        if format != "table":
            return text
        return "".join(self._names.readable(line) for line in text.splitlines(keepends=True))

    def _where(self, row: Row) -> str:
        cell = self._names.cell(row.file)
        return f"{cell}:{row.line}" if cell else super()._where(row)


def _is_machinery(thread: threading.Thread) -> bool:
    """Threads of the kernel: they send what a tree prints, and a tree of that would have no end."""
    modules = (type(thread).__module__, getattr(getattr(thread, "_target", None), "__module__", ""))
    tops = {str(module).partition(".")[0] for module in modules}
    return not tops.isdisjoint(("IPython", "ipykernel", "tornado", "zmq", "jupyter_client"))


class Run:
    """One traced statement or cell: a tap of its own, entered for each statement, whose value it
    passes on. After the last one, or the first that fails, it shows what there is to show."""

    def __init__(self, names: Names, options: opts.Options, steps: int) -> None:
        limit = REPORT_LIMIT if options.report else TREE_LIMIT
        if options.limit is None and options.format in (None, "table"):
            options = options.replace(limit=limit)
        self.value: Any = None
        self.names = names
        self._options = options
        self._steps = steps
        self._tap: Any = None
        self._lines: _Lines | None = None
        self._ended = False
        self._interrupted = False
        self._outer: tuple[Run, ...] = ()

    def take(self) -> Any:
        """The value of the expression that just ran."""
        value, self.value = self.value, None
        return value

    def _begin(self, own: str) -> None:
        options = self._options
        file: Any = options.output
        if not file and not options.report:
            file = self._lines = _Lines(self, sys.stdout, options.limit or 0, own)
        me = threading.get_native_id()
        ours = [t.native_id for t in threading.enumerate() if _is_machinery(t)]
        try:
            if options.output:
                open(options.output, "a").close()  # a refusal comes before the statement runs
            tap = new_tap("report" if options.report else "text", options, file)
            tap.watch_others((me, *(i for i in ours if i)))
        except OSError as error:
            raise UsageError(f"pyftrace: cannot write {file}: {error.strerror}") from None
        except RuntimeError as error:
            raise UsageError(f"pyftrace: {error}") from None
        self._tap = tap

    def __enter__(self) -> Self:
        if self._tap is None:
            self._begin("" if self._options.path else sys._getframe(1).f_code.co_filename)
        self._outer = _running.get()
        _running.set((*self._outer, self))
        self._tap.enter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._tap.leave()
        _running.set(self._outer)
        self._steps -= 1
        if error is not None:
            _forget_writing(error)
            self._interrupted = not isinstance(error, Exception)
        if error is not None or self._steps == 0:
            self.end()

    def end(self) -> None:
        """Switch off and show; a second time nothing."""
        if self._ended or self._tap is None:
            return
        self._ended = True
        self._tap.close()
        if self._lines is not None:
            self._lines.finish()
        if self._options.report:
            self._show_report()
        if not self._options.quiet:
            self._say_notes()
        if self._tap.error is not None or (self._tap.lost_lines and not self._interrupted):
            _say(f"could not write the tree: {self._tap.error}; {self._tap.lost_lines} lines lost")

    def _show_report(self) -> None:
        options = self._options
        report = _CellReport(self._tap, options, self.names)
        if options.output:
            try:
                with open(options.output, "w", encoding="utf-8", errors="surrogateescape") as file:
                    file.write(report.render(options.format or "table"))
            except OSError as error:
                _say(f"cannot write {options.output}: {error.strerror}")
        elif options.format in ("json", "csv"):
            print(report.render(options.format), end="")
        elif self._tap.calls:
            display(report)

    def _say_notes(self) -> None:
        options, tap = self._options, self._tap
        if not (tap.calls if options.report else self._lines.lines if self._lines else tap.lines):
            chosen = options.function or options.exclude or options.hide or options.only
            if self._lines is not None and self._lines.left_behind:
                _say("no calls but of tasks that an earlier traced cell started")
            else:
                _say("no calls in scope" + ("" if chosen or options.verbose else HINT))
        for pattern in self._tap.unmatched():
            _say(f"warning: nothing matched '{pattern}'")
        if self._tap.unkept:
            _say(f"the report is not whole: out of memory for {self._tap.unkept} events")


def _forget_writing(error: BaseException) -> None:
    """An interrupt that came while a line was written began in our code: no part of the user's."""
    entry = error.__traceback__
    while entry is not None:
        inner = entry.tb_next
        if inner is not None and inner.tb_frame.f_code is _Lines.write.__code__:
            entry.tb_next = inner = None
        entry = inner


HINT = (
    ": no function of your own was called; -v shows library and C functions too,"
    " --include PKG counts a package as yours"
)


def _say(message: str) -> None:
    print(f"pyftrace: {opts.printable(message)}", file=sys.stderr)
