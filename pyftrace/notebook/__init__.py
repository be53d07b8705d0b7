"""``%load_ext pyftrace``: the magics ``%pyftrace`` and ``%%pyftrace`` of IPython and Jupyter.

A magic is called when its cell runs already, and cannot await. So neither does the work: the cell
is rewritten before it is compiled, each of its statements into ``with`` a run of ours. IPython then
runs it like any other: it awaits, shows values and tracebacks, and knows the lines; and between the
statements, where IPython works for itself, nothing is traced. The functions behind the magics are
left with help, mistakes and calls from code.
"""

import ast
import builtins
import re
from typing import Any

try:
    from IPython import get_ipython
except ImportError:
    raise ImportError("the magics need IPython: pip install 'pyftrace[notebook]'") from None
from IPython.core.error import UsageError
from IPython.core.inputtransformer2 import cell_magic
from IPython.core.magic import needs_local_scope, no_var_expand

from pyftrace.notebook.cells import CO_COROUTINE, HIDDEN_NAME, MARK, NAME, Rewriting, awaits
from pyftrace.notebook.options import help_text, runnable, say_why_not, split_line
from pyftrace.notebook.run import Run

_LINE_MAGIC = re.compile(
    r"""(?<!await )get_ipython\(\)\.run_line_magic\('pyftrace', """
    r"""(?P<line>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")\)"""
)


class Notebook:
    """The extension, loaded into one shell."""

    def __init__(self, shell: Any) -> None:
        self.shell = shell
        self.rewriting = Rewriting(shell, self.began)
        self._infos: list[Any] = []  # cells that run now, an inner one after the one that runs it
        self._live: list[tuple[Any, str, Run]] = []

    def load(self) -> None:
        """Add everything that unload() takes away."""
        shell = self.shell
        shell.register_magic_function(_line_magic, "line", NAME)
        shell.register_magic_function(_cell_magic, "cell", NAME)
        shell.input_transformers_cleanup.append(self.open_cell)
        shell.input_transformers_post.append(self.await_lines)
        shell.ast_transformers.append(self.rewriting)
        shell.events.register("pre_run_cell", self.before_cell)
        shell.events.register("post_run_cell", self.after_cell)

    def unload(self) -> None:
        """The opposite of load(); a cell that runs now is still traced to its end."""
        shell = self.shell
        for kind in ("line", "cell"):
            shell.magics_manager.magics[kind].pop(NAME, None)
        for items, item in (
            (shell.input_transformers_cleanup, self.open_cell),
            (shell.input_transformers_post, self.await_lines),
            (shell.ast_transformers, self.rewriting),
        ):
            if item in items:
                items.remove(item)
        shell.events.unregister("pre_run_cell", self.before_cell)
        shell.events.unregister("post_run_cell", self.after_cell)

    def open_cell(self, lines: list[str]) -> list[str]:
        """``%%pyftrace`` becomes a mark at the head of a cell that is otherwise Python, so that
        IPython sees it await; another cell magic below it becomes its call."""
        if not lines or not re.match(r"%%pyftrace(\s|$)", lines[0]):
            return lines
        body = lines[1:]
        begin = next((i for i, text in enumerate(body) if text.strip()), None)
        if begin is None:
            return lines  # IPython has words for an empty cell
        if body[begin].startswith("%%"):
            body[begin:] = cell_magic(body[begin:])
        words = lines[0][len("%%pyftrace") :].strip()
        return [f"get_ipython().run_cell_magic({NAME!r}, {words!r}, {MARK!r})\n", *body]

    def await_lines(self, lines: list[str]) -> list[str]:
        """``%pyftrace await f()`` awaits in the cell itself."""
        return [_LINE_MAGIC.sub(_awaited, text) for text in lines]

    def began(self, name: str, run: Run) -> None:
        """A cell was rewritten, to be ended with it however it ends. The name that it uses is of
        builtins: the cell's own variables are the user's, and %reset may take them."""
        setattr(builtins, name, run)
        self._live.append((self._infos[-1] if self._infos else None, name, run))

    def before_cell(self, info: Any) -> None:
        """Remember which cell is about to be rewritten."""
        self._infos.append(info)

    def after_cell(self, result: Any) -> None:
        """End what a cell left unended: it was refused by the compiler, or cancelled."""
        info = getattr(result, "info", None)
        if info is not None and not any(known is info for known in self._infos):
            return  # an empty cell: IPython tells of its end alone
        # Without a result, as of a cell that was cancelled, one cannot know which.
        self._infos = [] if info is None else [i for i in self._infos if i is not info]
        for live in [*self._live]:
            at, name, run = live
            if not any(at is known for known in self._infos):
                run.end()
                delattr(builtins, name)
                self._live.remove(live)
        if not self._infos:
            for name in [n for n in self.shell.user_ns if str(n).startswith(HIDDEN_NAME)]:
                del self.shell.user_ns[name]


def _awaited(found: "re.Match[str]") -> str:
    checked = runnable(ast.literal_eval(found["line"]), in_cell=False)
    return f"await {found[0]}" if checked and awaits(checked[1]) else found[0]


def _current() -> Notebook:
    notebook = _loaded.get(id(get_ipython()))
    if notebook is None:
        raise UsageError("pyftrace: the extension is not loaded: %load_ext pyftrace")
    return notebook


def _line_magic(line: str, local_ns: dict[str, Any] | None = None) -> Any:
    """Reached with a mistake, for help, or from code: get_ipython().run_line_magic()."""
    if say_why_not(line, in_cell=False) is None:
        return None
    return _current_run(line, local_ns)


def _current_run(line: str, local_ns: dict[str, Any] | None) -> Any:
    notebook = _current()
    code = split_line(line)[1]
    like = ast.parse("0").body[0]
    try:
        block, name, value = notebook.rewriting.line_block(line, code, like)
        tree = ast.fix_missing_locations(ast.Module([block], []))
        file = notebook.shell.compile.cache(code, notebook.shell.execution_count)
        compiled = compile(tree, file, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    except (SyntaxError, ValueError) as error:
        raise UsageError(f"%pyftrace: {getattr(error, 'msg', error)}: {code}") from None
    shell = notebook.shell
    # A function's variables can be read in that way; what is assigned does not reach them.
    own = shell.user_ns if local_ns is None or local_ns is shell.user_ns else dict(local_ns)
    spaces = shell.user_global_ns, own

    def result() -> Any:
        run = spaces[1].pop(name)
        return run.take() if value else None

    async def awaited(coroutine: Any) -> Any:
        await coroutine
        return result()

    coroutine = eval(compiled, *spaces)
    return awaited(coroutine) if compiled.co_flags & CO_COROUTINE else result()


def _cell_magic(line: str, cell: str) -> None:
    """As the line magic; from code the cell is run as one of its own."""
    if say_why_not(line, in_cell=True) is None or cell == MARK:
        return
    if not cell.strip():
        raise UsageError("%%pyftrace: the cell is empty")
    _current().shell.run_cell(f"%%pyftrace {line}\n{cell}").raise_error()


for _magic in (_line_magic, _cell_magic):
    _magic.__doc__ = help_text()
    no_var_expand(_magic)  # braces and dollars are the statement's
needs_local_scope(_line_magic)

_loaded: dict[int, Notebook] = {}


def load_ipython_extension(shell: Any) -> None:
    """``%load_ext pyftrace``."""
    if id(shell) not in _loaded:
        _loaded[id(shell)] = Notebook(shell)
        _loaded[id(shell)].load()


def unload_ipython_extension(shell: Any) -> None:
    """``%unload_ext pyftrace``."""
    notebook = _loaded.pop(id(shell), None)
    if notebook is not None:
        notebook.unload()
