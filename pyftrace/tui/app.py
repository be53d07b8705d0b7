"""The application: a tree of one thread's calls, with panes beside it."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from time import monotonic
from typing import Any, ClassVar

from rich.syntax import Syntax
from rich.text import Text
from textual import work
from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, VerticalScroll
from textual.filter import LineFilter
from textual.widgets import DataTable, Footer, Input, Static
from textual.worker import get_current_worker

from pyftrace import _engine
from pyftrace.commands.graph import time_text
from pyftrace.options import OptionError, checked_duration, printable
from pyftrace.recording import Recording
from pyftrace.totals import Row as Total
from pyftrace.totals import matches
from pyftrace.tui.model import (
    ALL,
    Functions,
    Row,
    Tasks,
    Tree,
    Wanted,
    call_at,
    search,
    tasks_of,
)
from pyftrace.tui.screens import HELP, Ask, Tell
from pyftrace.tui.view import Plain, TreeView, words_of

COLUMNS = ("function", "total", "self", "calls", "avg")
QUESTIONS = {
    "search": "function: name or pattern",
    "text": "text in arguments, values (where recorded: -a, --values safe) or exceptions",
    "time": "time after the beginning: 1.5s",
    "range": "from and to: 1s 2s; empty: all",
}
MOST = 1000  # tasks in a choice
NO_MEMORY = "not enough memory for this"


class Stopped(Exception):
    """A search, by Escape or another one."""


class Pyftrace(App[None]):
    """Shows one recording."""

    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #title, #details { text-wrap: nowrap; text-overflow: ellipsis; }
    #title { height: 1; background: $primary; color: $text; }
    #details { height: 3; background: $surface; }
    #ask { display: none; height: 1; border: none; }
    #table, #source { display: none; width: 50%; height: 1fr; border-left: solid $primary; }
    #source { border: round $primary; }
    .narrow Horizontal { layout: vertical; }
    .narrow #table, .narrow #source { width: 100%; height: 50%; }
    .plain #title, .plain .datatable--cursor, .plain .option-list--option-highlighted {
        text-style: reverse; }
    """
    BINDINGS: ClassVar = [
        Binding("enter", "tree('fold')", "fold"),
        Binding("slash", "ask('search')", "search"),
        Binding("n", "again(False)", "next"),
        Binding("f", "functions", "functions"),
        Binding("s", "source", "source"),
        Binding("t", "threads", "threads"),
        Binding("T", "tasks", "tasks"),
        Binding("question_mark", "help", "keys"),
        Binding("q", "quit", "quit"),
        *(
            Binding(key, action, show=False)
            for key, action in (
                ("down,j", "tree('step', 1)"), ("up,k", "tree('step', -1)"),
                ("pagedown,space", "tree('page', 1)"), ("pageup", "tree('page', -1)"),
                ("g,home", "tree('go_start')"), ("G,end", "tree('go_end')"),
                ("left,h", "tree('left')"), ("right,l", "tree('right')"),
                ("p", "tree('go_parent')"), ("right_square_bracket", "tree('go_sibling', 1)"),
                ("left_square_bracket", "tree('go_sibling', -1)"), ("z", "tree('unfold_more')"),
                ("Z", f"tree('fold', {ALL})"), ("N", "again(True)"), ("c", "same(False)"),
                ("C", "same(True)"), ("v", "ask('text')"), ("colon", "ask('time')"),
                ("r", "ask('range')"), ("F", "function"), ("d", "dark"), ("escape", "close"),
            )
        ),
    ]  # fmt: skip

    def __init__(self, recording: Recording) -> None:
        plain = bool(os.environ.get("NO_COLOR"))  # textual takes it away, and means shades of grey
        super().__init__()
        self.set_class(plain, "plain")
        self._plain: list[LineFilter] = [Plain()] if plain else []
        self.recording = recording
        self._known = Functions(recording._engine)
        self.functions = self._known.by_id
        self._threads = [t for t in recording.threads if t["events"] or t["missing"]]
        self._thread: dict[str, Any] = self._threads[0] if self._threads else {}
        self._range: tuple[int, int] = (0, 0)
        self._wanted: Wanted = b""
        self._hit = (-1, -1)  # the event found last, and the call it led to
        self._finders: dict[int, _engine.Outline] = {}  # by thread: they know what segments hold
        self._asked = ""
        self._note = ""
        self._why = (recording.why_incomplete() or [""])[0]
        self._totals: list[Total] = []
        self._sort = "total"
        if self._light():
            self.theme = "textual-light"

    @staticmethod
    def _light() -> bool:
        color = os.environ.get("COLORFGBG", "").rpartition(";")[2]
        return color in ("7", "15")

    def compose(self) -> ComposeResult:
        """Title, tree and panes, details, keys."""
        yield Static(id="title")
        with Horizontal():
            if self._threads:
                yield TreeView(Tree(self.recording._engine, self._thread["serial"]), self.functions)
            else:
                yield Static("nothing was recorded", id="empty")
            table: DataTable[Text] = DataTable(id="table", cursor_type="row", zebra_stripes=True)
            yield table
            with VerticalScroll(id="source"):
                yield Static(id="text")
        yield Static(id="details")
        ask = Input(id="ask", compact=True)
        ask.can_focus = bool(self._threads)  # it is hidden, and would have the keys else
        yield ask
        yield Footer(compact=True)

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Textual's own, or what NO_COLOR asks for."""
        return self._plain or super().get_line_filters()

    def _handle_exception(self, error: Exception) -> None:
        if isinstance(error, MemoryError):  # textual would print a traceback
            self.exit(return_code=1, message=f"pyftrace: {NO_MEMORY}")
        else:
            super()._handle_exception(error)

    def on_mount(self) -> None:
        """The tree has the keys."""
        self._tell()
        if self._threads:
            self.view.focus()

    def on_resize(self) -> None:
        """Panes take more of a narrow screen."""
        self.set_class(self.size.width < 110, "narrow")

    @property
    def view(self) -> TreeView:
        """What is shown of the thread."""
        return self.query_one(TreeView)

    # ---- what is said ----------------------------------------------------------------------------

    def _tell(self) -> None:
        thread = self._thread
        who = f"{thread['pid']} {printable(thread['name'])}" if self._threads else ""
        part = ""
        if any(self._range):
            since, until = self._range
            part = f"  {time_text(since)}..{time_text(until) if until else ''}"
        damage = self.recording._engine.damage.partition("\n")[0]  # found while reading
        note = self._note or (f"damaged: {damage}" if damage else "")
        note = note or (f"INCOMPLETE: {self._why}" if self._why else "")
        path = printable(self.recording.path)
        path = path if len(path) <= 24 else "..." + path[-21:]
        title = f" {path}  {who}{part}  {printable(note)}"
        self.query_one("#title", Static).update(Text(title, no_wrap=True, overflow="ellipsis"))
        row = self.view.current if self._threads else None
        details = Text("\n".join(self._details(row)) if row else "", no_wrap=True)
        self.query_one("#details", Static).update(details)

    def _details(self, row: Row) -> Iterable[str]:
        begin = time_text(row.begin_ns)
        if row.lost:
            yield f"{row.lost} events happened here and are in no file"
            return
        f = self.functions.get(row.function, self.functions[0])
        yield f"{f.module}.{f.name}  {f.file}:{f.line}" if f.line else f"{f.module}.{f.name}"
        took = time_text(row.duration) if row.duration is not None else "not known"
        line = ""
        if row.line:
            caller = self.functions.get(row.caller, f)
            where = "line " if caller.path == f.path else f"{os.path.basename(caller.file)}:"
            line = f"  called from {where}{row.line}"
        run = f"  run {row.activation}" if row.activation else ""
        yield f"began at {begin}, took {took}, depth {row.depth}{line}{run}"
        yield "".join(word for word, _ in words_of(row, self.functions))

    def note(self, text: str) -> None:
        """Say something in the title."""
        self._note = text
        self._tell()

    def on_tree_view_moved(self) -> None:
        """Details and source follow the selected call."""
        if not self.query("#title"):  # it has quit meanwhile
            return
        if self.view.current is None or self.view.current.at != self._hit[1]:
            self._hit = (-1, -1)  # n goes on from there
        self._tell()
        if self.query_one("#source").display:
            self._show_source()

    # ---- keys ------------------------------------------------------------------------------------

    def action_tree(self, name: str, *words: Any) -> None:
        """What the tree does itself."""
        if self._threads:
            self._note = ""
            self.view.start()
            getattr(self.view, name)(*words)

    def action_help(self) -> None:
        """All keys."""
        self.push_screen(Tell(HELP))

    def action_dark(self) -> None:
        """Dark or light."""
        self.theme = "textual-light" if self.current_theme.dark else "textual-dark"

    def action_close(self) -> None:
        """A search, a question, a pane."""
        self.workers.cancel_group(self, "search")
        self.query_one("#ask").display = False
        for name in ("#table", "#source"):
            self.query_one(name).display = False
        self.note("")
        if self._threads:
            self.view.focus()

    def action_threads(self) -> None:
        """Choose one."""
        lines = [f"{t['pid']}  {printable(t['name'])}  {t['events']} events"
                 + (f", {t['missing']} missing" if t["missing"] else "")
                 for t in self._threads]  # fmt: skip

        def chosen(number: int | None) -> None:
            if number is not None:
                self._thread = self._threads[number]
                self._show_part()

        self.push_screen(Ask(lines), chosen)

    def _show_part(self) -> None:
        self.workers.cancel_group(self, "search")  # what it finds is not here
        self._hit = (-1, -1)
        since, until = self._range
        self.view.show(Tree(self.recording._engine, self._thread["serial"], since, until))
        self.view.refresh()
        self.note("")

    # ---- questions -------------------------------------------------------------------------------

    def action_ask(self, what: str) -> None:
        """A line to be filled in."""
        if self._threads:
            self._asked = what
            ask = self.query_one("#ask", Input)
            ask.value, ask.placeholder, ask.display = "", QUESTIONS[what], True
            ask.focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """The answer."""
        if not self._threads:
            return
        event.input.display = False
        self.view.focus()
        text = event.value.strip()
        try:
            if self._asked == "search" and text:
                self._search_name(text)
            elif self._asked == "text" and text:
                self._look_for(printable(text))  # as it is shown
            elif self._asked == "time" and text:
                self.view.reveal(self.view.calls.outline.place(checked_duration(text)))
            elif self._asked == "range":
                times = [checked_duration(word) for word in text.split()]
                if len(times) > 2 or (len(times) == 2 and times[0] > times[1]):
                    raise OptionError("a range is two times: 1s 2s")
                since, until = [*times, 0, 0][:2]
                self._range = since, until
                self._show_part()
        except OptionError as error:
            self.note(str(error))

    def _search_name(self, text: str) -> None:
        pattern = text if any(c in text for c in "*?[") else f"*{text}*"
        self._want({id for id, f in self.functions.items()
                    if id and matches(pattern, f.module, f.name, f.path)}, text)  # fmt: skip

    def _want(self, ids: set[int], text: str) -> None:
        if not ids:
            self.note(f"no function matches '{text}'")
            return
        self._look_for(bytes(id in ids for id in range(max(ids) + 1)))

    def _look_for(self, wanted: Wanted) -> None:
        self._wanted, self._hit = wanted, (-1, -1)
        self.action_again(False)

    def action_again(self, backward: bool) -> None:
        """The next or previous match: of texts, in the order in which they came up."""
        row = self.view.current if self._threads else None
        if self._wanted and row is not None:
            tree = self.view.calls
            at = self._hit[0] if self._hit[1] == row.at else row.at
            begin, upto = (tree.since, at) if backward else (at + 1, tree.until)
            self._search(tree.serial, self._wanted, begin, upto, backward)

    def action_same(self, backward: bool) -> None:
        """The next or previous call of the selected call's function."""
        row = self.view.current if self._threads else None
        if row is not None and row.function:
            self._wanted, self._hit = bytes(row.function) + b"\1", (-1, -1)
            self.action_again(backward)

    @work(thread=True, exclusive=True, group="search", exit_on_error=False)
    def _search(self, serial: int, wanted: Wanted, begin: int, upto: int, backward: bool) -> None:
        """In a thread; a piece at a time lets the screen live."""
        try:
            outline = self._finder(serial)
            pieces = search(outline, wanted, begin, upto, backward)
            found = self._last(pieces, "searching", begin, upto)
            if found is not None:
                self._say(self._found, found, call_at(outline, found))
        except MemoryError:
            self._say(self.note, NO_MEMORY)
        except Stopped:
            return
        else:
            if found is None:
                end = "no more before this" if backward else "no more after this"
                self._say(self.note, end)

    def _say(self, say: Callable[..., None], *words: Any) -> None:
        """From a worker, unless it was stopped meanwhile."""
        worker = get_current_worker()

        def unless_stopped() -> None:
            if not worker.is_cancelled:
                say(*words)

        self.call_from_thread(unless_stopped)

    def _finder(self, serial: int) -> "_engine.Outline":
        """A thread's, for searches alone."""
        if serial not in self._finders:
            self._finders[serial] = self.recording._engine.outline(serial)
        return self._finders[serial]

    def _last[T](
        self, pieces: Iterator[tuple[T, int]], what: str, begin: int, upto: int
    ) -> T | None:
        """What the last of the pieces gives; progress is told, Escape is heard."""
        worker, told = get_current_worker(), monotonic()
        last = None
        for last, left in pieces:  # noqa: B007
            if worker.is_cancelled:
                raise Stopped
            if monotonic() - told > 0.2:
                told = monotonic()
                done = 100 - 100 * left // max(1, upto - begin)
                self._say(self.note, f"{what}: {done} %  (Escape stops)")
        return last

    def _found(self, event: int, call: int) -> None:
        self._note, self._hit = "", (event, call)
        self.view.reveal(call)

    # ---- tasks -----------------------------------------------------------------------------------

    def action_tasks(self) -> None:
        """Choose one, of this thread."""
        if self._threads:
            self._read_tasks(self.view.calls)

    @work(thread=True, exclusive=True, group="search", exit_on_error=False)
    def _read_tasks(self, tree: Tree) -> None:
        try:
            pieces = tasks_of(self._finder(tree.serial), tree.since, tree.until)
            found = self._last(pieces, "reading tasks", tree.since, tree.until)
        except MemoryError:
            self._say(self.note, NO_MEMORY)
        except Stopped:
            return
        else:
            self._say(self._choose_task, found or {})

    def _choose_task(self, tasks: Tasks) -> None:
        if not tasks:
            self.note("no task runs here")
            return
        self.note("")
        numbers = list(tasks)[:MOST]
        lines = [f"{printable(name)}  {runs} run{'s' * (runs > 1)}"
                 for name, runs, _ in (tasks[number] for number in numbers)]  # fmt: skip
        if len(tasks) > MOST:
            lines[-1:] = [lines[-1] + f"  (and {len(tasks) - MOST} more: r chooses a time)"]

        def chosen(at: int | None) -> None:
            if at is not None:
                self._wanted, first = numbers[at], tasks[numbers[at]][2]
                self._found(first, first)

        self.push_screen(Ask(lines), chosen)

    # ---- functions -------------------------------------------------------------------------------

    def action_functions(self) -> None:
        """The table, counted when it is first asked for."""
        table = self.query_one("#table", DataTable)
        table.display = not table.display
        if table.display:
            self.query_one("#source").display = False
            table.focus()
            if not self._totals:
                self.note("counting")
                self._count()
        elif self._threads:
            self.view.focus()

    @work(thread=True, exclusive=True, group="count", exit_on_error=False)
    def _count(self, then: Callable[[], None] | None = None) -> None:
        worker = get_current_worker()
        total = max(1, self.recording.events_total())

        def progress(events: int) -> None:
            if worker.is_cancelled:
                raise KeyboardInterrupt
            self._say(self.note, f"counting: {100 * events // total} %")

        try:
            report = Recording(self.recording.path).report(progress=progress)
            rows = self._known.totals(report)
            if report.unkept:
                raise MemoryError
        except (KeyboardInterrupt, OSError):
            return
        except MemoryError:
            self._say(self.note, NO_MEMORY)
            return
        self._say(self._counted, rows, then)

    def _counted(self, rows: list[Total], then: Callable[[], None] | None) -> None:
        self._totals = rows
        self._fill()
        self.note("")
        if then is not None:
            then()

    def _fill(self) -> None:
        keys: dict[str, Callable[[Total], Any]] = {
            "function": lambda r: r.function, "total": lambda r: -r.total_ns,
            "self": lambda r: -r.self_ns, "calls": lambda r: -r.calls, "avg": lambda r: -r.avg_ns,
        }  # fmt: skip
        self._totals.sort(key=keys[self._sort])
        table = self.query_one("#table", DataTable)
        table.clear(columns=True)
        for name in COLUMNS:
            table.add_column(Text(name + (" *" if name == self._sort else "")), key=name)
        for i, r in enumerate(self._totals):
            times = [Text(time_text(ns), justify="right") for ns in (r.total_ns, r.self_ns)]
            last = [Text(str(r.calls), justify="right"), Text(time_text(r.avg_ns), justify="right")]
            table.add_row(Text(printable(r.function)[:60]), *times, *last, key=str(i))

    def on_data_table_header_selected(self, event: "DataTable.HeaderSelected") -> None:
        """Sort by that column."""
        self._sort = str(event.column_key.value)
        self._fill()

    def on_data_table_row_selected(self, event: "DataTable.RowSelected") -> None:
        """To the next call of that function."""
        row = self._totals[event.cursor_row]
        name = printable(row.function)
        self._want({id for id, f in self.functions.items()
                    if (f.path, f.line, f.name) == (row.file, row.line, name)
                    and (f.line or f.module == printable(row.module))}, name)  # fmt: skip

    def action_function(self) -> None:
        """From the selected call to its row in the table."""
        if not self._threads:
            return
        table = self.query_one("#table", DataTable)
        if not table.display:
            table.display = True
            self.query_one("#source").display = False
        table.focus()
        if self._totals:
            self._go_to_function()
        else:
            self._count(self._go_to_function)

    def _go_to_function(self) -> None:
        row = self.view.current
        f = self.functions.get(row.function) if row else None
        for i, r in enumerate(self._totals):
            if f and (r.file, r.line) == (f.path, f.line) and printable(r.function) == f.name:
                self.query_one("#table", DataTable).move_cursor(row=i)

    # ---- source ----------------------------------------------------------------------------------

    def action_source(self) -> None:
        """The source beside the tree."""
        pane = self.query_one("#source")
        pane.display = self._threads != [] and not pane.display
        if pane.display:
            self.query_one("#table").display = False
            self._show_source()

    def _show_source(self) -> None:
        row = self.view.current
        if row is None or row.lost:
            return
        f, line = self.functions[row.function], 0
        if row.line and row.caller in self.functions:
            f, line = self.functions[row.caller], row.line
        line = line or f.line
        text = self.query_one("#text", Static)
        try:
            changed = os.stat(f.path).st_mtime_ns > self.recording.run["wall_ns"]
            if not os.path.isfile(f.path):
                raise OSError  # a pipe would wait for somebody to write
            with open(f.path, encoding="utf-8", errors="replace") as file:
                some = islice(file, line + 1000)
                source = [printable(s.expandtabs(4).rstrip("\n")) for s in some]
        except (OSError, ValueError):
            text.update(Text(f"no source: {f.file or 'a C function'}"))
            return
        theme = "ansi_dark" if self.current_theme.dark else "ansi_light"
        begin = max(1, line - 100)
        syntax = Syntax(
            "\n".join(source[begin - 1 : line + 200]), "python", theme=theme, line_numbers=True,
            start_line=begin, highlight_lines={line},
        )  # fmt: skip
        note = "  (changed since the recording began)" if changed else ""
        pane = self.query_one("#source", VerticalScroll)
        pane.border_title = Text(f"{os.path.basename(f.file)}:{line}{note}").markup
        text.update(syntax)
        pane.scroll_to(y=max(0, line - begin - pane.size.height // 2), animate=False)
