"""What lies over the tree for a moment: a choice, a text; and what `?` tells."""

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static

HELP = """\
Moving   up down, k j     line by line; PageUp, PageDown, the wheel
         g G              the first and the last line
         left right       fold or go out; unfold or go in
         p  [ ]           the call around it; previous, next beside it
Folding  Enter, a click   fold, unfold
         z Z              one level more; all below
Finding  /  n N           a function by name or pattern; next, previous
         v  n N           a text in arguments, values and exceptions
         c C              next, previous call of this call's function
         :                a time after the beginning: 1.5s, 20ms
         r                a range of time: 1s 2s; empty: all
Beside   f F              the functions; the one of this call
                          Enter there: its next call; a heading: sort by it
         s                the source
         t                another thread, of any process
         T  n N           a task of this thread: where it runs
Else     Escape           stop a search, close what is open
         d                dark or light
         q                quit
"""


class Ask(ModalScreen[int | None]):
    """One of some lines."""

    BINDINGS: ClassVar = [("escape", "dismiss(None)", "close")]
    DEFAULT_CSS = "Ask { align: center middle; } Ask > OptionList { width: 80%; max-height: 80%; }"

    def __init__(self, lines: list[str]) -> None:
        super().__init__()
        self._lines = lines

    def compose(self) -> ComposeResult:
        """A list."""
        yield OptionList(*[Text(line) for line in self._lines])

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """The answer is its number."""
        self.dismiss(event.option_index)


class Tell(ModalScreen[None]):
    """A text."""

    BINDINGS: ClassVar = [("escape,q,question_mark,enter", "dismiss(None)", "close")]
    DEFAULT_CSS = """Tell { align: center middle; }
        Tell > VerticalScroll { width: 78; max-width: 100%; height: auto; max-height: 100%;
                                border: round $primary; background: $surface; }"""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def compose(self) -> ComposeResult:
        """It scrolls."""
        with VerticalScroll():
            yield Static(Text(self._text))
