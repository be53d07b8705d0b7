"""L2: programs that keep a log of their own. An ast.NodeTransformer writes the keeping into each
function: its start, its end (returned, or left by an exception), and around each yield and await
what suspends and what goes on. The log knows nothing of sys.monitoring; the trace of the same run
must be equal to it, kind by kind, each generator's run with its own serial."""

import ast
import threading
from typing import Any

from oracle.programs import ASYNCIO_PRELUDE, FILE, PRELUDE, Program
from pyftrace.recording import Event

Entry = tuple[str, str, int]  # kind of event, function, serial of the run (0: a plain function)
TOOLS = ("_begin", "_delegate", "_aiter", "_acm")


class Log:
    """What the program says of itself."""

    def __init__(self) -> None:
        self.threads: dict[str, list[Entry]] = {}
        self.serial = 0

    def tools(self) -> dict[str, Any]:
        """What the transformed program calls."""
        return {"_begin": self.begin, "_delegate": Delegate, "_aiter": AIter, "_acm": ACm}

    def add(self, entry: Entry) -> None:
        self.threads.setdefault(threading.current_thread().name, []).append(entry)

    def begin(self, name: str, generator: bool) -> "Activation":
        return Activation(self, name, generator)


class Activation:
    """One run of a function; its number is 0 unless it can be suspended."""

    __slots__ = ("add", "end", "name", "serial")

    def __init__(self, log: Log, name: str, generator: bool) -> None:
        log.serial += generator
        self.serial = log.serial if generator else 0
        self.name = name
        self.add = log.add
        self.end = "return"
        self.add(("start", name, self.serial))

    def left(self) -> None:
        self.add((self.end, self.name, self.serial))

    def suspended(self) -> None:
        self.add(("yield", self.name, self.serial))

    def resumed(self) -> None:
        self.add(("resume", self.name, self.serial))

    def thrown(self) -> None:
        self.add(("throw", self.name, self.serial))


class Delegate:
    """Stands between a function and what it delegates to by yield from or await: the function is
    suspended when the inner one yields, and goes on with it."""

    def __init__(self, activation: Activation, inner: Any) -> None:
        self.activation = activation
        make = getattr(type(inner), "__await__", None)
        self.inner = make(inner) if make is not None else iter(inner)

    def __iter__(self) -> "Delegate":
        return self

    __await__ = __iter__

    def __next__(self) -> Any:
        value = next(self.inner)  # the first step: nothing was suspended
        self.activation.suspended()
        self.__class__ = Begun
        return value


class Begun(Delegate):
    """After its first yield."""

    def __next__(self) -> Any:
        return self.send(None)

    def send(self, value: Any) -> Any:
        self.activation.resumed()
        inner = self.inner
        value = next(inner) if value is None else inner.send(value)
        self.activation.suspended()
        return value

    def throw(self, *exc: Any) -> Any:
        throw = getattr(self.inner, "throw", None)
        try:
            if throw is None:
                raise exc[0]
            return throw(*exc)  # it caught it and yielded: the outer one slept on
        except StopIteration:
            raise  # it caught it and ended: the outer one runs on without an event
        except BaseException:
            self.activation.thrown()
            raise

    def close(self) -> None:
        close = getattr(self.inner, "close", None)
        try:
            if close is not None:
                close()
        finally:
            self.activation.thrown()


class AIter:
    """An asynchronous iterator whose every step is awaited by the activation."""

    def __init__(self, activation: Activation, inner: Any) -> None:
        self.activation = activation
        self.inner = inner.__aiter__()

    def __aiter__(self) -> "AIter":
        return self

    def __anext__(self) -> Delegate:
        return Delegate(self.activation, self.inner.__anext__())


class ACm:
    """An asynchronous context manager whose ends are awaited by the activation."""

    def __init__(self, activation: Activation, inner: Any) -> None:
        self.activation = activation
        self.inner = inner

    def __aenter__(self) -> Delegate:
        return Delegate(self.activation, self.inner.__aenter__())

    def __aexit__(self, *exc: Any) -> Delegate:
        return Delegate(self.activation, self.inner.__aexit__(*exc))


class Suspends(ast.NodeVisitor):
    """Whether a function's own body can be suspended."""

    def __init__(self) -> None:
        self.found = False

    def visit_Yield(self, node: ast.AST) -> None:
        self.found = True

    visit_YieldFrom = visit_Yield

    def visit_Lambda(self, node: ast.AST) -> None:
        pass

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = visit_GeneratorExp = visit_Lambda


def statements(text: str) -> list[ast.stmt]:
    return ast.parse(text).body


class Logging(ast.NodeTransformer):
    """Writes the log's keeping into a module. ``classes``: the names of its class bodies, which are
    frames and are not logged; nor are lambdas and generator expressions."""

    def __init__(self) -> None:
        self.scope: list[str] = []
        self.classes: set[str] = set()

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        self.scope.append(node.name)
        self.classes.add(".".join(self.scope))
        self.generic_visit(node)
        self.scope.pop()
        return node

    def visit_FunctionDef(self, node: Any) -> ast.AST:
        self.scope.append(node.name)
        name = ".".join(self.scope)
        asynchronous = isinstance(node, ast.AsyncFunctionDef)
        finder = Suspends()
        for statement in node.body:
            finder.visit(statement)
        self.scope.append("<locals>")
        body = [self.visit(statement) for statement in node.body]
        del self.scope[-2:]
        flat = [s for part in body for s in (part if isinstance(part, list) else [part])]
        frame = statements(
            f"_own = _begin({name!r}, {asynchronous or finder.found})\n"
            "try:\n    pass\n"
            "except BaseException:\n    _own.end = 'unwind'\n    raise\n"
            "finally:\n    _own.left()\n"
        )
        frame[1].body = flat  # type: ignore[attr-defined]
        node.body = frame
        return node

    visit_AsyncFunctionDef = visit_FunctionDef

    def hoisted(self, node: ast.stmt) -> "ast.stmt | list[ast.stmt]":
        """A statement that yields: the yield first, by itself, between its marks."""
        found = [n for n in ast.walk(node) if isinstance(n, ast.Yield)]
        if not found or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Lambda)):
            return node
        (plain,) = found
        marks = statements(
            "_value = None\n"
            "_own.suspended()\n"
            "try:\n    _value = yield _value\n"
            "except BaseException:\n    _own.thrown()\n    raise\n"
            "_own.resumed()\n"
        )
        assert isinstance(marks[0], ast.Assign)
        marks[0].value = plain.value or ast.Constant(None)

        class Replace(ast.NodeTransformer):
            def visit_Yield(self, node: ast.Yield) -> ast.AST:
                return ast.Name("_value", ast.Load())

        return [*marks, Replace().visit(node)]

    def visit_Expr(self, node: ast.Expr) -> Any:
        self.generic_visit(node)
        return self.hoisted(node)

    def visit_Assign(self, node: ast.Assign) -> Any:
        self.generic_visit(node)
        return self.hoisted(node)

    def through(self, tool: str, value: ast.expr) -> ast.expr:
        own = ast.Name("_own", ast.Load())
        return ast.Call(ast.Name(tool, ast.Load()), [own, value], [])

    def visit_YieldFrom(self, node: ast.YieldFrom) -> ast.AST:
        self.generic_visit(node)
        node.value = self.through("_delegate", node.value)
        return node

    visit_Await = visit_YieldFrom

    def visit_AsyncFor(self, node: Any) -> ast.AST:
        self.generic_visit(node)
        node.iter = self.through("_aiter", node.iter)
        return node

    def visit_comprehension(self, node: ast.comprehension) -> ast.AST:
        self.generic_visit(node)
        if node.is_async:
            node.iter = self.through("_aiter", node.iter)
        return node

    def visit_AsyncWith(self, node: ast.AsyncWith) -> ast.AST:
        self.generic_visit(node)
        for item in node.items:
            item.context_expr = self.through("_acm", item.context_expr)
        return node


def transformed(text: str) -> tuple[Any, set[str]]:
    """Code that keeps a log, and the names of its classes."""
    logging = Logging()
    tree = ast.fix_missing_locations(logging.visit(ast.parse(text)))
    return compile(tree, FILE, "exec"), logging.classes


PRELUDE_CODE, PRELUDE_CLASSES = transformed(PRELUDE + ASYNCIO_PRELUDE)


class Logged(Program):
    """A program that keeps a log."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.log = Log()
        code, classes = transformed(self.text)
        self._code = code
        self.classes = classes | PRELUDE_CLASSES

    def space(self) -> dict:
        space: dict = {"__name__": "generated", **self.log.tools()}
        exec(PRELUDE_CODE, space)
        exec(self.code, space)
        self.log.threads.clear()  # what making the classes called is not main()'s
        return space

    def trace(self, threads: dict[str, list[Event]]) -> dict[str, list[Entry]]:
        """What of a recording the log can know: no class bodies, lambdas and generator expressions,
        no exception thrown into what never began."""
        begun = {e.activation for events in threads.values() for e in events if e.event == "start"}
        seen = {name: self.shown(events, begun) for name, events in threads.items()}
        return {name: renumbered(entries) for name, entries in seen.items() if entries}

    def told(self) -> dict[str, list[Entry]]:
        """The log."""
        return {name: renumbered(entries) for name, entries in self.log.threads.items()}

    def shown(self, events: list[Event], begun: set[int]) -> list[Entry]:
        seen: list[Entry] = []
        skip = 0
        for event in events:
            name = event.function or ""
            if skip and event.activation == skip:
                skip = 0
                if event.event == "unwind":
                    continue
            if event.activation and event.activation not in begun:
                skip = event.activation
                continue
            if name not in self.classes and not name.endswith(("<lambda>", "<genexpr>")):
                seen.append((event.event, name, event.activation))
        return seen


def renumbered(entries: list[Entry]) -> list[Entry]:
    """Serials in order of their first use."""
    numbers = {0: 0}
    return [
        (kind, name, numbers.setdefault(serial, len(numbers))) for kind, name, serial in entries
    ]
