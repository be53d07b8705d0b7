"""Whole programs: each factory gives a work, one run of it.

    python bench/programs.py NAME [TIMES]     # runs it, so that it can be traced as a process

pyperformance's are those of the installed package, unmodified.
"""

import asyncio
import importlib.util
import json
import os
import shutil
import sys
import time
import types
from collections.abc import Callable
from functools import partial
from pathlib import Path

import stub

PYPERFORMANCE = (
    "nbody", "float", "spectral_norm", "fannkuch", "chaos", "raytrace", "richards", "deltablue",
    "go", "hexiom", "scimark", "telco", "json_dumps", "pyflate", "logging", "unpack_sequence",
)  # fmt: skip
# Those in which calls are what costs.
CALL_HEAVY = ("raytrace", "richards", "deltablue", "go", "hexiom", "chaos")

Factory = Callable[[], Callable[[], object]]


def pyperformance(name: str, copies: Path) -> Callable[[], object]:
    """A program as it is, from a copy outside the library folders: it is the user's own code."""
    spec = importlib.util.find_spec("pyperformance")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError("pyperformance is not installed")
    folder = Path(spec.submodule_search_locations[0]) / "data-files" / "benchmarks" / f"bm_{name}"
    copy = copies / folder.name
    if not copy.exists():
        shutil.copytree(folder, copy)
    path = copy / "run_benchmark.py"
    module = types.ModuleType("__main__")
    module.__file__ = str(path)
    words, was = sys.argv, sys.modules.get("__main__")
    sys.path[:0] = [*stub.__path__, str(copy)]
    sys.argv = [str(path)]
    sys.modules["__main__"] = module
    sys.modules.pop("pyperf", None)
    try:
        import pyperf

        pyperf.Runner.found.clear()
        exec(compile(path.read_bytes(), str(path), "exec"), module.__dict__)
        works = [work for _, work in pyperf.Runner.found]
    finally:
        sys.argv = words
        del sys.path[:2]
        if was is not None:
            sys.modules["__main__"] = was
    if not works:
        raise ImportError(f"{path.parent.name} gave nothing to run")

    def all_of_it() -> None:
        for work in works:
            work()

    return all_of_it


# ---- SQL -----------------------------------------------------------------------------------------

QUERIES = (
    """SELECT o.id, SUM(l.price * (1 - l.discount)) AS revenue, MAX(o.placed) AS last
    FROM orders AS o JOIN lines AS l ON l.order_id = o.id LEFT JOIN customers c USING (customer_id)
    WHERE o.placed BETWEEN DATE '2024-01-01' AND DATE '2024-12-31' AND c.segment IN ('a', 'b')
    GROUP BY o.id HAVING SUM(l.price) > 1000 ORDER BY revenue DESC NULLS LAST LIMIT 20""",
    """WITH ranked AS (SELECT *, ROW_NUMBER() OVER (PARTITION BY team ORDER BY score DESC) AS place
    FROM players WHERE active), best AS (SELECT team, name FROM ranked WHERE place <= 3)
    SELECT team, STRING_AGG(name, ', ') FROM best GROUP BY 1""",
    """SELECT CASE WHEN x > 0 THEN 'plus' WHEN x < 0 THEN 'minus' ELSE 'none' END AS sign,
    COALESCE(NULLIF(TRIM(name), ''), 'nobody'), CAST(y AS VARCHAR) || '!', z::INT
    FROM (SELECT 1 AS x, ' a ' AS name, 2.5 AS y, '7' AS z) AS t""",
    """INSERT INTO totals SELECT day, COUNT(DISTINCT visitor) FROM visits
    WHERE EXISTS (SELECT 1 FROM pages p WHERE p.id = visits.page AND p.kind = 'shop')
    GROUP BY day UNION ALL SELECT NULL, COUNT(*) FROM visits""",
)


def sqlglot() -> Callable[[], object]:
    """Some statements from one dialect into three."""
    import sqlglot

    def transpile() -> None:
        for query in QUERIES:
            for dialect in ("spark", "bigquery", "snowflake"):
                sqlglot.transpile(query, read="duckdb", write=dialect)

    return transpile


# ---- requests ------------------------------------------------------------------------------------


def web() -> Callable[[], object]:
    """Requests to a small application, by WSGI and without a socket."""
    from io import BytesIO

    import bottle

    app = bottle.Bottle()
    users = {str(i): {"id": i, "name": f"user {i}", "tags": ["a", "b"]} for i in range(50)}
    page = bottle.SimpleTemplate(
        "<ul>\n% for user in users:\n<li>{{user['name']}} ({{user['id']}})</li>\n% end\n</ul>"
    )

    @app.get("/users/<number>")
    def user(number):
        return users[number]

    @app.get("/users")
    def everybody():
        return page.render(users=list(users.values())[:10])

    @app.post("/users")
    def new():
        return {"made": bottle.request.json["name"]}

    def ask(method: str, path: str, body: bytes = b"") -> bytes:
        said = []
        environ = {
            "REQUEST_METHOD": method, "PATH_INFO": path, "SERVER_NAME": "localhost",
            "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1",
            "CONTENT_TYPE": "application/json",
            "CONTENT_LENGTH": str(len(body)), "wsgi.input": BytesIO(body),
            "wsgi.url_scheme": "http", "wsgi.errors": sys.stderr,
        }  # fmt: skip
        answer = b"".join(app(environ, lambda status, headers, error=None: said.append(status)))
        if said != ["200 OK"]:
            raise RuntimeError(f"{method} {path}: {said}")
        return answer

    def requests() -> None:
        for i in range(20):
            ask("GET", f"/users/{i}")
            ask("POST", "/users", b'{"name": "new"}')
            ask("GET", "/users")

    return requests


def echo() -> Callable[[], object]:
    """A server and eight clients that send lines, on one event loop."""

    async def answer(reader, writer):
        while line := await reader.readline():
            writer.write(line)
            await writer.drain()
        writer.close()

    async def client(port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for i in range(40):
            line = json.dumps({"n": i}).encode() + b"\n"
            writer.write(line)
            await writer.drain()
            if await reader.readline() != line:
                raise RuntimeError("not what was sent")
        writer.close()
        await writer.wait_closed()

    async def run():
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        await asyncio.gather(*(client(port) for _ in range(8)))
        server.close()
        await server.wait_closed()

    return lambda: asyncio.run(run())


def suite() -> Callable[[], object]:
    """Tests of two modules, CPython's own."""
    import io
    import unittest

    from test import test_configparser, test_textwrap

    def tests() -> None:
        load = unittest.defaultTestLoader.loadTestsFromModule
        together = unittest.TestSuite(map(load, (test_configparser, test_textwrap)))
        result = unittest.TextTestRunner(io.StringIO()).run(together)
        if not result.wasSuccessful() or result.testsRun < 100:
            raise RuntimeError(f"{result}")

    return tests


def all_of(copies: Path) -> dict[str, Factory]:
    """By name; a factory raises ImportError where a package is missing."""
    return {
        **{name: partial(pyperformance, name, copies) for name in PYPERFORMANCE},
        "sqlglot": sqlglot,
        "web requests": web,
        "asyncio echo": echo,
        "a test suite": suite,
    }


def main() -> None:
    """Runs one of them, and leaves the moment of its end where BENCH_END says."""
    name, times = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1
    work = all_of(Path(os.environ.get("BENCH_COPIES", "build/bench/copies")))[name]()
    for _ in range(times):
        work()
    if "BENCH_END" in os.environ:
        Path(os.environ["BENCH_END"]).write_text(str(time.monotonic()))


if __name__ == "__main__":
    main()
