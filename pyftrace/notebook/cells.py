"""Cells are rewritten, between parsing and compiling: each traced statement into ``with`` a run."""

import ast
import itertools
from collections.abc import Callable
from typing import Any

from IPython import get_ipython

from pyftrace.notebook.options import runnable, split_line
from pyftrace.notebook.run import Names, Run
from pyftrace.options import Options

NAME = "pyftrace"
MARK = "# below"  # in place of a cell's text, which stays where it is
HIDDEN_NAME = "_pyftrace_"  # of the variables that a rewritten cell has besides its own
CO_COROUTINE = 0x80
_serials = itertools.count(1)
_LINE_RUN = "__import__('pyftrace.notebook.cells').notebook.cells.line_run"


def _expression(text: str) -> Any:
    return ast.parse(text, mode="eval").body


def _with(manager: str, name: str | None, body: list[ast.stmt], like: ast.stmt) -> ast.With:
    item = ast.withitem(_expression(manager), ast.Name(name, ast.Store()) if name else None)
    return ast.copy_location(ast.With([item], body), like)


def _keep(name: str, node: ast.expr, like: ast.stmt) -> ast.Assign:
    """``name.value = node``"""
    target = ast.Attribute(ast.Name(name, ast.Load()), "value", ast.Store())
    return ast.copy_location(ast.Assign([target], node), like)


def _call_of(node: ast.AST, method: str) -> list[str] | None:
    """The words of ``get_ipython().METHOD('pyftrace', ...)``, if that is what it is."""
    if isinstance(node, ast.Await):
        node = node.value
    if not (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == method
        and isinstance(node.func.value, ast.Call)
        and isinstance(node.func.value.func, ast.Name)
        and node.func.value.func.id == "get_ipython"
    ):
        return None
    words = [
        arg.value
        for arg in node.args
        if isinstance(arg, ast.Constant) and isinstance(arg.value, str)
    ]
    whole = len(words) == len(node.args) and words[:1] == [NAME]
    return words[1:] if whole else None


def _is_silent(code: str) -> bool:
    return code.rstrip().endswith(";")


def awaits(code: str) -> bool:
    """Whether a statement awaits by itself, outside of functions."""
    try:
        tree = compile(code, "", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        compiled = compile(tree, "", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    except (SyntaxError, ValueError):
        return False
    return bool(compiled.co_flags & CO_COROUTINE)


class Rewriting(ast.NodeTransformer):
    """Of each cell, between parsing and compiling."""

    def __init__(self, shell: Any, began: Callable[[str, Run], None]) -> None:
        self._shell = shell
        self._began = began  # is told of each cell to be traced: the name that stands for its run

    def visit_Module(self, node: ast.Module) -> ast.Module:
        first = node.body[0] if node.body else None
        words = _call_of(first.value, "run_cell_magic") if isinstance(first, ast.Expr) else None
        self.generic_visit(node)
        if words is None or words[1:] != [MARK]:
            return node
        checked = runnable(words[0], in_cell=True)
        if checked is None:
            del node.body[1:]  # the magic itself says why
            return node
        del node.body[0]
        node.body = self._traced_cell(node.body, checked[0])
        return node

    def _traced_cell(self, body: list[ast.stmt], options: Options) -> list[ast.stmt]:
        name = f"{HIDDEN_NAME}{next(_serials)}"
        new: list[ast.stmt] = []
        steps = 0
        for statement in body:
            if isinstance(statement, ast.ImportFrom) and statement.module == "__future__":
                new.append(statement)
                continue
            steps += 1
            if isinstance(statement, ast.Expr):
                keep = _keep(name, statement.value, statement)
                new.append(_with(name, None, [keep], statement))
                shown = ast.Expr(_expression(f"{name}.take()"))
                new.append(ast.copy_location(shown, statement))
            else:
                new.append(_with(name, None, [statement], statement))
        if steps and self._shell.ast_node_interactivity == "last_expr_or_assign":
            new += _shown_target(body[-1])
        run = Run(Names(self._shell), options, steps)
        self._began(name, run)
        return new

    def visit_Expr(self, node: ast.Expr) -> Any:
        traced = self._traced_line(node, node.value)
        if traced is None:
            return self.generic_visit(node)
        block, name, value = traced
        shown = ast.copy_location(ast.Expr(_expression(f"{name}.take()")), node)
        return [block, shown] if value else block

    def visit_Assign(self, node: ast.Assign) -> Any:
        traced = self._traced_line(node, node.value)
        if traced is None:
            return self.generic_visit(node)
        block, name, _ = traced
        node.value = ast.copy_location(_expression(f"{name}.take()"), node.value)
        return [block, node]

    def _traced_line(self, node: ast.stmt, value: ast.expr) -> tuple[ast.stmt, str, bool] | None:
        """The block in place of a line magic, the name of its run, whether it has a value."""
        words = _call_of(value, "run_line_magic")
        if words is None or len(words) != 1:
            return None
        checked = runnable(words[0], in_cell=False)
        if checked is None:
            return None
        try:
            return self.line_block(words[0], checked[1], node)
        except (SyntaxError, ValueError):
            return None  # the magic itself says so

    def line_block(self, line: str, code: str, like: ast.stmt) -> tuple[ast.With, str, bool]:
        tree = compile(
            self._shell.transform_cell(code),
            "",
            "exec",
            ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT,
        )
        assert isinstance(tree, ast.Module)
        ast.increment_lineno(tree, like.lineno - 1)
        self.generic_visit(tree)
        if not tree.body:
            raise SyntaxError("nothing to run")
        name = f"{HIDDEN_NAME}{next(_serials)}"
        last = tree.body[-1]
        value = isinstance(last, ast.Expr) and not _is_silent(code)
        if isinstance(last, ast.Expr) and value:
            tree.body[-1] = _keep(name, last.value, last)
        return _with(f"{_LINE_RUN}({line!r})", name, tree.body, like), name, value


def _shown_target(node: ast.stmt) -> list[ast.stmt]:
    """What IPython shows of an assignment at a cell's end, if it is set to."""
    target: ast.expr | None = None
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        target = node.targets[0]
    elif isinstance(node, (ast.AugAssign, ast.AnnAssign)):
        target = node.target
    if not isinstance(target, ast.Name):
        return []
    return [ast.copy_location(ast.Expr(ast.Name(target.id, ast.Load())), node)]


def line_run(text: str) -> Run:
    """A run for a line magic, each time that it is reached."""
    return Run(Names(get_ipython()), split_line(text)[0], 1)
