"""`pyftrace html` in Chromium, used as a person does: by pointer and by keys. An exception, a
message on the console (a breach of the policy is one) or a request fails the test."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import clients
import pytest
from playwright.sync_api import Page

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
import hostile  # noqa: E402

PROGRAM = """\
import json, threading
ITEMS = [json.dumps(dict(id=i, price=i * 7 % 97)) for i in range(60)]
def decode(text): return json.loads(text)
def query(n): return [decode(text) for text in ITEMS[n % 7:]]
def rate(country): return dict(fr=120, de=119)[country]
def price(item, country): return item["price"] * rate(country)
def basket(n): return sum(price(item, "fr") for item in query(n))
def index(n): return render(query(n))
def render(items): return "".join(line(item) for item in items)
def line(item): return f"{item['id']:<6}{item['price']:>8}"
def serve(first):
    for n in range(first, first + 12):
        basket(n)
        index(n)
def main():
    threads = [threading.Thread(target=serve, args=(i,), name=f"worker-{i}") for i in range(3)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
main()
"""
CHANGED = PROGRAM.replace("ITEMS[n % 7:]", "ITEMS[:40]").replace(
    "def index(n): return", "def audit(n): return query(n)\ndef index(n): audit(n); return"
).replace("def rate(country): return dict(fr=120, de=119)[country]\n", "").replace(
    " * rate(country)", " * 120"
)  # fmt: skip
QUIET = "pyftrace", "html", "-q", "-o"


def record(folder: Path, program: str, name: str = "pyftrace.data") -> None:
    (folder / "app.py").write_text(program)
    words = [sys.executable, "-m", "pyftrace", "record", "-q", "-o", name]
    clients.run(folder, *words, "--libs", "app.py")


def written(folder: Path, *words: str) -> Path:
    clients.run(folder, sys.executable, "-m", *QUIET, "page.html", *words)
    return folder / "page.html"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recorded")
    record(folder, PROGRAM)
    return written(folder)


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compared")
    record(folder, PROGRAM, "before.data")
    record(folder, CHANGED, "after.data")
    return written(folder, "--diff", "before.data", "after.data")


@pytest.fixture
def noises() -> list[str]:
    return []


@pytest.fixture
def page(page: Page, noises: list[str]) -> Iterator[Page]:
    """One that must keep quiet: no message on the console, no request but for the page itself."""
    page.on("console", lambda message: noises.append(message.text))
    page.on("request", lambda request: noises.append(request.url))
    page.on("dialog", lambda dialog: noises.append(dialog.message))
    yield page
    assert [noise for noise in noises if not noise.endswith("/page.html")] == []


def opened(page: Page, path: Path) -> Page:
    page.goto(path.as_uri())
    page.wait_for_selector("body[data-ready]")
    settle(page)
    return page


def settle(page: Page) -> None:
    """Until what was asked for is drawn: it is in the frame after this one."""
    page.evaluate("() => new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))")


def picture(page: Page, name: str) -> None:
    clients.PICTURES.mkdir(parents=True, exist_ok=True)
    settle(page)
    page.screenshot(path=clients.PICTURES / f"html-{name}.png")


def click_frame(page: Page, name: str) -> None:
    """The widest node of that function that the flame graph shows."""
    x, y = page.evaluate(
        """name => {
            const { tree, shape, surface } = flame;
            let best = -1;
            for (let i = 0; i < tree.n; i++) {
                const inSight = shape.x[i] < flame.x1 && shape.x[i] + shape.value[i] > flame.x0;
                const wider = best < 0 || shape.value[i] > shape.value[best];
                if (model.names[tree.func[i]] === name && inSight && wider) best = i;
            }
            const box = surface.canvas.getBoundingClientRect();
            const scale = surface.width / (flame.x1 - flame.x0);
            return [box.left + (shape.x[best] + shape.value[best] / 2 - flame.x0) * scale,
                box.top + (tree.depth[best] + 0.5) * ROW - surface.scroll];
        }""",
        name,
    )
    page.mouse.move(x, y)
    page.mouse.click(x, y)
    settle(page)


def details(page: Page) -> str:
    return page.locator("#details").inner_text()


def search(page: Page, text: str) -> None:
    page.keyboard.press("/")
    page.keyboard.type(text)
    page.wait_for_function("text => model.found !== null === (text !== '')", arg=text)
    settle(page)


def column(page: Page, index: int) -> list[str]:
    return page.locator(f"#functions tbody td:nth-child({index})").all_inner_texts()


# ---- the flame graph -----------------------------------------------------------------------------


def test_a_click_zooms_and_escape_goes_back(recorded: Path, page: Page):
    opened(page, recorded)
    whole = page.evaluate("flame.x1 - flame.x0")
    click_frame(page, "basket")
    assert page.evaluate("model.names[flame.tree.func[flame.zoomed]]") == "basket"
    assert 0 < page.evaluate("flame.x1 - flame.x0") < whole
    assert "basket: " in page.locator("#flame .status").inner_text()
    assert "Called by\nserve" in details(page) and "Calls\n" in details(page)
    click_frame(page, "query")
    picture(page, "zoomed")
    page.keyboard.press("Escape")
    assert page.evaluate("model.names[flame.tree.func[flame.zoomed]]") == "basket"
    page.get_by_role("button", name="Reset").click()
    assert page.evaluate("[flame.zoomed, flame.x1 - flame.x0]") == [-1, whole]


def test_what_is_under_the_pointer_is_told(recorded: Path, page: Page):
    opened(page, recorded)
    click_frame(page, "basket")
    page.mouse.move(0, 0)
    click_frame(page, "basket")
    text = page.locator("#tip").inner_text()
    for part in ("__main__.basket", "total", "self", "calls\n36", "share", "app.py:7"):
        assert part in text, text
    page.mouse.move(2, 2)
    assert page.locator("#tip").is_hidden()


def test_arrow_keys_move_in_the_graph(recorded: Path, page: Page):
    opened(page, recorded)
    page.locator("#flame canvas").focus()
    page.keyboard.press("Home")
    assert page.evaluate("flame.at") == 0
    basket = page.evaluate("flame.tree.func.indexOf(model.names.indexOf('basket'))")
    page.evaluate("i => flame.moveTo(i)", basket)
    page.keyboard.press("ArrowDown")
    callee, chosen = page.evaluate("[flame.tree.parent[flame.at], model.chosen]")
    assert (callee, chosen) == (basket, page.evaluate("flame.tree.func[flame.at]"))
    said = page.locator("#said").inner_text()
    assert "level 3" in said and "total" in said
    page.keyboard.press("ArrowUp")
    assert page.evaluate("flame.at") == basket
    before, after = page.evaluate("i => flame.tree.siblings(i)", basket)
    keys = ("ArrowRight", "ArrowLeft") if before < 0 else ("ArrowLeft", "ArrowRight")
    page.keyboard.press(keys[0])
    assert page.evaluate("flame.at") == max(before, after)
    page.keyboard.press(keys[1])
    page.keyboard.press("Enter")
    assert page.evaluate("flame.zoomed") == basket
    page.keyboard.press("Backspace")
    assert page.evaluate("model.names[flame.tree.func[flame.zoomed]]") == "serve"


def test_widths_are_total_time_self_time_or_calls(recorded: Path, page: Page):
    opened(page, recorded)
    sums = page.evaluate(
        """() => { const sum = (column) => column.reduce((a, b) => a + b);
            return { own: sum(data.tree.self_ns), calls: sum(data.tree.calls) }; }"""
    )
    assert page.evaluate("flame.shape.whole") == sums["own"]
    page.get_by_role("button", name="Calls", exact=True).click()
    assert page.evaluate("flame.shape.whole") == sums["calls"]
    page.get_by_role("button", name="Self time").click()
    assert page.evaluate("flame.shape.whole") == pytest.approx(sums["own"], rel=0.01)
    own = page.evaluate("data.functions.self_ns")
    assert page.evaluate("flame.tree.func[0]") == own.index(max(own))
    below, callers = page.evaluate(
        """() => { const { tree } = flame;
            const i = tree.depth.indexOf(1);
            const { callers } = model.neighbours(tree.func[tree.parent[i]]);
            return [tree.func[i], callers.map(entry => entry.func)]; }"""
    )
    assert below in callers


def test_a_search_finds_everywhere_and_says_the_share(recorded: Path, page: Page):
    opened(page, recorded)
    search(page, "QUERY")
    share = page.evaluate(
        """() => { const { tree } = model; let sum = 0;
            for (let i = 0; i < tree.n; i++)
                if (model.names[tree.func[i]] === 'query') sum += data.tree.total_ns[i];
            return 100 * sum / flame.shape.whole; }"""
    )
    assert page.locator("#found").inner_text() == f"1 function found, {share:.1f} % of total time"
    picture(page, "search")
    page.keyboard.press("Enter")
    assert page.evaluate("model.names[model.chosen]") == "query"
    page.keyboard.press("Escape")
    assert page.locator("#found").inner_text() == ""
    assert page.evaluate("[model.found, document.activeElement === document.body]") == [None, True]
    search(page, "query")
    page.keyboard.press("Tab")  # out of the field, so that 2 is a key and no text
    page.keyboard.press("2")
    assert column(page, 1) == ["__main__.query"]
    search(page, " nothing of that name")
    assert page.locator("#functions .empty").inner_text() == "No function matches the search."


# ---- the table -----------------------------------------------------------------------------------


def test_the_table_sorts_by_every_column(recorded: Path, page: Page):
    opened(page, recorded)
    page.get_by_role("tab", name="Functions").click()
    assert page.locator("th[aria-sort]").inner_text() == "Total"
    picture(page, "table")
    keys = {"Calls": "calls", "Self": "self_ns", "Max": "max_ns", "p99": "p99_ns"}
    for label, key in keys.items():
        heading = page.get_by_role("button", name=label, exact=True).and_(page.locator("th button"))
        values = page.evaluate(f"data.functions.{key}")
        for wanted in (max(values), min(values)):  # falling first, then rising
            heading.click()
            first = page.locator("#functions tbody tr").first.get_attribute("data-function")
            assert values[int(first)] == wanted, label
    page.locator("th button", has_text="Function").click()
    assert column(page, 1) == sorted(column(page, 1))


def test_a_choice_shows_in_all_views(recorded: Path, page: Page):
    opened(page, recorded)
    page.keyboard.press("2")
    page.locator("#functions tbody tr", has_text="__main__.price").click()
    for part in ("price", "calls\n", "p50, p95, p99", "Called by\n", "Calls\nrate"):
        assert part in details(page)
    calls = page.evaluate(
        "model.neighbours(model.chosen).callers.reduce((sum, c) => sum + c.calls[0], 0)"
    )
    assert calls == page.evaluate("data.functions.calls[model.chosen]")
    page.locator("#details .link", has_text="rate").click()
    assert page.locator("tr[aria-selected=true]").inner_text().startswith("__main__.rate")
    page.get_by_role("button", name="In the graph").click()
    assert page.get_by_role("tab", selected=True).inner_text() == "Flame graph"
    assert page.evaluate("model.names[flame.tree.func[flame.zoomed]]") == "rate"


def test_keys_move_in_the_table(recorded: Path, page: Page):
    opened(page, recorded)
    page.keyboard.press("2")
    page.locator("#functions tbody tr").first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    order = page.locator("#functions tbody tr")
    assert order.nth(2).get_attribute("aria-selected") == "true"
    page.keyboard.press("End")
    assert order.last.get_attribute("aria-selected") == "true"
    page.keyboard.press("Escape")
    assert page.evaluate("model.chosen") == -1


# ---- the timeline --------------------------------------------------------------------------------


def test_the_timeline_zooms_moves_and_chooses(recorded: Path, page: Page):
    opened(page, recorded)
    page.keyboard.press("3")
    settle(page)
    picture(page, "timeline")
    least, most = page.evaluate("[timeline.least, timeline.most]")
    page.locator("#timeline .scroller canvas").focus()
    page.keyboard.press("+")
    page.keyboard.press("+")
    t0, t1 = page.evaluate("[timeline.t0, timeline.t1]")
    assert t1 - t0 == pytest.approx((most - least) / 4)
    page.keyboard.press("ArrowRight")
    assert page.evaluate("timeline.t0") > t0
    text = page.locator("#timeline .status").inner_text()
    since, until = page.evaluate("[Math.floor(timeline.t0), Math.ceil(timeline.t1)]")
    assert f"--since {since}ns --until {until}ns" in text
    page.keyboard.press("0")
    assert page.evaluate("[timeline.t0, timeline.t1]") == [least, most]
    box = page.locator(".overview").bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 20, steps=4)
    page.mouse.up()
    t0, t1 = page.evaluate("[timeline.t0, timeline.t1]")
    assert (t0 - least) / (most - least) == pytest.approx(0.25, abs=0.01)
    assert (t1 - least) / (most - least) == pytest.approx(0.5, abs=0.01)
    page.evaluate("timeline.show(timeline.least, timeline.most)")
    settle(page)
    x, y, name = page.evaluate(
        """() => {
            let y = AXIS;
            for (const lane of timeline.lanes) {
                const i = 0, box = timeline.surface.canvas.getBoundingClientRect();
                const x = (timeline.x(lane.begin[i]) + timeline.x(lane.end[i])) / 2;
                if (timeline.x(lane.end[i]) - timeline.x(lane.begin[i]) > 20)
                    return [box.left + x, box.top + y + LANE_HEAD + 5,
                        model.names[lane.thread.function[i]]];
                y += lane.height;
            }
        }"""
    )
    page.mouse.click(x, y)
    assert page.evaluate("model.names[model.chosen]") == name
    page.mouse.move(x + 1, y)
    assert "took" in page.locator("#tip").inner_text()


# ---- the page ------------------------------------------------------------------------------------


def test_the_recording_is_described(recorded: Path, page: Page):
    opened(page, recorded)
    page.keyboard.press("4")
    text = page.locator("#run").inner_text()
    info = clients.run(recorded.parent, sys.executable, "-m", "pyftrace", "info")
    for line in info.splitlines():
        assert line[13:].strip() in text, line
    picture(page, "recording")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_theme_follows_the_system_and_a_button(
    scheme: Any, recorded: Path, compared: Path, page: Page
):
    page.emulate_media(color_scheme=scheme)
    opened(page, recorded)
    chosen = page.evaluate("document.documentElement.dataset.theme")
    assert chosen == scheme
    picture(page, f"flame-{scheme}")
    page.keyboard.press("2")
    picture(page, f"table-{scheme}")
    button = page.get_by_role("button", name="Theme")
    for wanted in ("light", "dark"):
        button.click()
        assert page.evaluate("document.documentElement.dataset.theme") == wanted
    opened(page, compared)
    picture(page, f"diff-{scheme}")


def test_help_lists_the_keys(recorded: Path, page: Page):
    opened(page, recorded)
    page.keyboard.press("?")
    assert page.get_by_role("dialog").is_visible()
    picture(page, "help")
    page.keyboard.press("Escape")
    assert page.get_by_role("dialog").count() == 0


def test_a_narrow_screen_has_one_column(recorded: Path, page: Page):
    page.set_viewport_size({"width": 390, "height": 800})
    opened(page, recorded)
    picture(page, "narrow")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    box = page.locator("#details").bounding_box()
    assert box and box["width"] > 380 and box["y"] > 400


def test_paper_gets_the_table_and_the_recording(recorded: Path, page: Page):
    page.emulate_media(media="print", color_scheme="dark")
    opened(page, recorded)
    names = ("flame", "functions", "timeline", "run", "details", "search")
    assert [n for n in names if page.locator(f"#{n}").is_visible()] == ["functions", "run"]
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_a_comparison_marks_what_is_new_gone_and_other(compared: Path, page: Page):
    opened(page, compared)
    marks = page.evaluate(
        """() => { flame.setMode(3);
            const found = {};
            for (let i = 0; i < flame.tree.n; i++)
                found[model.names[flame.tree.func[i]]] = flame.figures.mark(i);
            return found; }"""
    )
    assert (marks["audit"], marks["rate"], marks["basket"]) == ("new", "gone", "")
    assert marks["line"].startswith("-") and marks["line"].endswith(" %")
    picture(page, "diff-calls")
    page.get_by_role("tab", name="Differences").click()
    row = page.locator("#functions tbody tr", has_text="app.audit")
    assert "new: 36" in row.inner_text()
    row.click()
    assert "calls\n- → 36 (new)" in details(page)
    picture(page, "diff-table")
    assert page.get_by_role("tab", name="Timeline").count() == 0


def test_a_recording_without_calls_says_so(tmp_path: Path, page: Page):
    (tmp_path / "app.py").write_text("pass\n")
    clients.run(tmp_path, sys.executable, "-m", "pyftrace", "record", "-q", "app.py")
    opened(page, written(tmp_path))
    picture(page, "empty")
    page.keyboard.press("2")
    assert "No calls in this part" in page.locator("#functions .empty").inner_text()
    for key in ("3", "1", "ArrowDown", "Enter", "Escape"):
        page.keyboard.press(key)
    settle(page)


def test_hostile_names_run_nothing(tmp_path: Path, page: Page):
    names = [*hostile.NAMES, "<img src=x onerror=alert(1)>", "${alert(1)}", "x" * 4000]
    hostile.write(tmp_path, ascii(names), end="")
    clients.run(tmp_path, sys.executable, "-c", RECORD_QUIETLY)
    opened(page, written(tmp_path))
    elements = page.evaluate("document.querySelectorAll('script, img, b').length")
    for key in "1234":
        page.keyboard.press(key)
        settle(page)
    page.keyboard.press("2")
    count = page.evaluate("model.tabled")
    assert page.locator("#functions tbody tr").count() == count == 2 * len(names) + 4
    for i in range(0, count, 5):
        page.evaluate("f => choose(f)", i)
        assert page.evaluate("document.querySelectorAll('script, img').length") == 2
    assert elements == 2 + count  # of b: a name each, ours
    page.evaluate("f => choose(f)", page.evaluate("model.names.findIndex(n => n.length > 3000)"))
    picture(page, "hostile")
    page.keyboard.press("1")
    picture(page, "hostile-flame")


# The program writes to standard error, which a client must not.
RECORD_QUIETLY = """\
import subprocess, sys
words = [sys.executable, "-m", "pyftrace", "record", "-q", "app.py"]
assert subprocess.run(words, capture_output=True).returncode == 0
"""


def test_the_policy_stops_what_is_not_the_pages_own(recorded: Path, page: Page, noises: list[str]):
    """And it is heard: what the other tests rely on."""
    opened(page, recorded)
    page.evaluate(
        """() => {
            const script = document.createElement("script");
            script.textContent = "window.harm = 1";
            const style = document.createElement("style");
            style.textContent = "body { color: red }";
            const image = document.createElement("img");
            image.src = "x.png";
            document.body.append(script, style, image);
        }"""
    )
    settle(page)
    assert page.evaluate("window.harm") is None
    assert sum("Content Security Policy" in noise for noise in noises) == 3
    noises.clear()


def test_a_hundred_thousand_nodes_are_drawn_by_what_is_in_sight(tmp_path: Path, page: Page):
    """And a function is still found, chosen and zoomed to."""
    record(tmp_path, WIDE)
    opened(page, written(tmp_path))
    nodes, drawn = page.evaluate("[flame.tree.n, flame.drawn]")
    assert nodes > 100_000 and drawn < 20_000
    search(page, "f_39")
    assert " 1 function found" in " " + page.locator("#found").inner_text()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="In the graph").click()
    assert page.evaluate("model.names[flame.tree.func[flame.zoomed]]") == "f_39"
    picture(page, "wide")


WIDE = """\
source = "\\n".join(
    f"def f_{i}(n):\\n    if n:\\n"
    + "".join(f"        f_{(i + k) % 40}(n - 1)\\n" for k in range(1, 12))
    for i in range(40)
)
exec(compile(source, __file__, "exec"))
for i in range(7): globals()[f"f_{i}"](4)
"""
