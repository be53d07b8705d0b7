"""The tree on the screen: only the rows that fit are made."""

from time import monotonic

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.color import Color
from textual.filter import LineFilter
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from pyftrace.commands.graph import time_text
from pyftrace.options import printable
from pyftrace.tui.model import ALL, Function, Row, Tree

BAR = 8  # columns of a bar
PATIENCE = 0.1  # s: what takes longer to read is drawn, or gone, in several goes
SOON = 0.02  # s
LEFT = BAR + 12  # columns before the tree
DARK = {"name": "#5fc8d7", "time": "#d7c85f", "bad": "#ff6b6b", "dim": "#8a8a8a", "bar": "#5f87d7",
        "selected": "#2b4a6f"}  # fmt: skip
LIGHT = {"name": "#005f87", "time": "#7a5c00", "bad": "#b00020", "dim": "#666666", "bar": "#5f87d7",
         "selected": "#cfe0f5"}  # fmt: skip
PLAIN: dict[str, str] = {}  # NO_COLOR
ENTERED = {"resume": "resumed ", "throw": "thrown into ", "open": "... "}
LEFT_BY = {"yield": " yields ", "return": " -> ", "c_return": "", "unwind": " raises ",
           "c_raise": " raises ", "left": " (end lost)"}  # fmt: skip


class Plain(LineFilter):
    """Takes all colours away; what is selected is reversed."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The segments without them."""
        return [
            Segment(text, style.without_color if style else None, control)
            for text, style, control in segments
        ]


def bar(part: float) -> str:
    """A bar of eighths."""
    eighths = max(0, min(BAR * 8, round(part * BAR * 8)))
    whole, rest = divmod(eighths, 8)
    return ("█" * whole + " ▏▎▍▌▋▊▉"[rest].strip()).ljust(BAR)


def words_of(row: Row, functions: dict[int, Function]) -> list[tuple[str, str]]:
    """(text, kind) of what a row says, without its indent."""
    if row.lost:
        return [(f"{row.lost} events are missing here", "bad")]
    name = functions[row.function].name if row.function in functions else "?"
    words = [(ENTERED.get(row.entered, ""), "dim"), (name, "name")]
    if row.args is not None:
        words.append((f"({printable(row.args)})", ""))
    if row.left is None:
        words.append(("  (not over)", "bad"))
    else:
        raised = row.left in ("unwind", "c_raise")
        how = LEFT_BY.get(row.left, " ")
        if row.awaits:
            words.append((" waits", "dim"))
        elif row.value is not None or row.left not in ("return", "c_return"):
            words.append((how, "bad" if raised else "dim"))
            words.append((printable(row.value or ""), "bad" if raised else ""))
    if row.task:
        words.append((f"  [{printable(row.task)}]", "dim"))
    return words


class TreeView(Widget, can_focus=True):
    """Rows from ``top`` on; ``current`` is the selected one."""

    DEFAULT_CSS = "TreeView { width: 1fr; height: 1fr; }"
    current: reactive[Row | None] = reactive(None, always_update=True)

    class Moved(Message):
        """Another row is selected."""

    def __init__(self, tree: Tree, functions: dict[int, Function]) -> None:
        super().__init__()
        self.functions = functions
        self._more = False
        self._late = 0.0
        self.show(tree)

    def show(self, tree: Tree) -> None:
        """Another thread, or another part of it."""
        self.calls = tree
        self.top = tree.first()
        self.current = self.top

    # ---- drawing ---------------------------------------------------------------------------------

    def start(self) -> None:
        """A key, a click, a drawing begins: it may read for a while."""
        self._late = monotonic() + PATIENCE

    def _too_late(self, reads: int) -> bool:
        """Whether time is up and something was read since; what was read before costs nothing."""
        return self.calls.reads > reads and monotonic() > self._late

    def visible_rows(self) -> list[Row]:
        """Those on the screen."""
        rows: list[Row] = []
        row, reads = self.top, self.calls.reads
        self._more = False
        while row is not None and len(rows) < self.size.height:
            rows.append(row)
            if self._too_late(reads):
                self._more = True
                break
            row = self.calls.after(row)
        return rows

    def render_lines(self, crop: object) -> list[Strip]:
        """All lines at once: each follows from the one above."""
        plain = self.app.has_class("plain")
        colors = PLAIN if plain else DARK if self.app.current_theme.dark else LIGHT
        self.start()
        rows = self.visible_rows()
        self.calls.trim(row for row in (*rows, self.top, self.current) if row is not None)
        width = self.size.width
        deepest = self.current.depth if self.current else 0
        shift = max(0, 2 * deepest - max(10, (width - LEFT) // 3))
        lines = [self._line(row, width, shift, colors) for row in rows]
        if not rows:
            lines.append(Strip([Segment("no calls here", Style(dim=True))]))
        lines += [Strip.blank(width)] * (self.size.height - len(lines))
        if self._more:
            self.set_timer(SOON, self.refresh)
        elif len(rows) < self.size.height:
            self.set_timer(SOON, self._fill)
        base = Style() if plain else self.rich_style
        return [line.apply_style(base) for line in lines]

    def _fill(self) -> None:
        """The end of the calls is not left high on the screen while there are calls before."""
        self.start()
        top = self.top
        self._scroll_back(self.size.height - len(self.visible_rows()))
        if self.top is not top:
            self.refresh()

    def _line(self, row: Row, width: int, shift: int, colors: dict[str, str]) -> Strip:
        around = row.parent.duration if row.parent is not None else None
        if row.parent is self.calls.root:
            around = self.calls.last_ns - self.calls.first_ns
        duration = row.duration
        part = duration / around if duration is not None and around else 0.0
        text = "" if duration is None else time_text(duration)
        mark = "  " if not row.has_calls else "▾ " if self.calls.shown(row) else "▸ "
        indent = max(0, 2 * row.depth - shift)
        segments = [
            Segment(word, Style(color=colors.get(kind)))
            for word, kind in (
                (bar(part), "bar"),
                (f" {text:>9}  ", "time"),
                (" " * min(indent, width) + mark, "dim"),
                *words_of(row, self.functions),
            )
        ]
        strip = Strip(segments).crop_extend(0, width, None)
        if row is self.current:
            color = colors.get("selected")
            selected = Style(bgcolor=color, bold=True) if color else Style(reverse=True)
            strip = Strip(Segment.apply_style(strip, None, selected), width)
        return strip

    # ---- moving ----------------------------------------------------------------------------------

    def select(self, row: Row | None) -> None:
        """Select it, and scroll as little as needed; far away it comes into the middle."""
        if row is None:
            return
        self.current = row
        rows = self.visible_rows()
        if row not in rows:
            self.top = row
            if rows and self.calls.before(row) is rows[-1]:
                self._scroll_back(self.size.height - 1)
            elif not (rows and self.calls.after(row) is rows[0]):
                self._scroll_back(self.size.height // 2)
        self.refresh()
        self.post_message(self.Moved())

    def _scroll_back(self, lines: int) -> None:
        reads = self.calls.reads
        for _ in range(lines):
            row = self.calls.before(self.top) if self.top else None
            if row is None or self._too_late(reads):
                break
            self.top = row

    def step(self, n: int) -> None:
        """So many rows down, or up."""
        row, reads = self.current, self.calls.reads
        for _ in range(abs(n)):
            if self._too_late(reads):
                break
            found = (self.calls.after(row) if n > 0 else self.calls.before(row)) if row else None
            if found is None:
                break
            row = found
        self.select(row)

    def page(self, direction: int) -> None:
        """A screen down, or up."""
        lines = max(1, self.size.height - 1)
        if direction > 0:
            rows = self.visible_rows()
            if len(rows) == self.size.height and rows[-1] is not self.current:
                self.top = rows[-1]
        else:
            self._scroll_back(lines)
        self.step(direction * lines)

    def go_end(self) -> None:
        """To the last row."""
        row = self.calls.last()
        if row is not None:
            self.current = self.top = row
            self._scroll_back(self.size.height - 1)
            self.select(row)

    def go_start(self) -> None:
        """To the first row."""
        self.top = self.calls.first()
        self.select(self.top)

    def fold(self, levels: int | None = None) -> None:
        """Fold or unfold the selected call."""
        row = self.current
        if row is not None and row.has_calls:
            self.calls.fold(row, (0 if row.levels else 1) if levels is None else levels)
            self.select(row)

    def unfold_more(self) -> None:
        """One level more below it."""
        row = self.current
        if row is not None:
            self.fold(row.levels if row.levels == ALL else row.levels + 1)

    def go_parent(self) -> None:
        """To the call around it."""
        row = self.current
        if row is not None and row.parent is not self.calls.root:
            self.select(row.parent)

    def go_sibling(self, step: int) -> None:
        """To the next or previous call of the same call."""
        if self.current is not None:
            self.select(self.calls.sibling(self.current, step))

    def left(self) -> None:
        """Fold it, or go to the call around it."""
        row = self.current
        if row is not None and self.calls.shown(row):
            self.fold(0)
        else:
            self.go_parent()

    def right(self) -> None:
        """Unfold it, or go into it."""
        row = self.current
        if row is not None and row.has_calls:
            if self.calls.shown(row):
                self.step(1)
            else:
                self.fold(1)

    def reveal(self, place: int) -> None:
        """To the call at a place."""
        self.start()
        row = self.calls.reveal(place)
        if row is not None:
            self.top = row
            self._scroll_back(self.size.height // 2)
            self.select(row)

    # ---- the mouse -------------------------------------------------------------------------------

    def on_click(self, event: events.Click) -> None:
        """Select; a click on the mark, or a second one, folds."""
        self.start()
        rows = self.visible_rows()
        if event.y < len(rows):
            again = rows[event.y] is self.current
            self.select(rows[event.y])
            if again:
                self.fold()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Three rows on."""
        self.start()
        self.step(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Three rows back."""
        self.start()
        self.step(-3)
