"""The magics in a real JupyterLab, driven in a real browser: `make jupyterlab`.

Writes a notebook, starts a JupyterLab of this Python, opens the notebook in Chromium (CHROMIUM=...
names one), runs its cells one by one as a person does, and looks at what the page shows. Prints
what it checked, leaves pictures in both themes in build/jupyterlab, and ends with 1 if something is
not there.
"""

import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from playwright.sync_api import Locator, Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent.parent
PICTURES = ROOT / "build" / "jupyterlab"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PAGE = {"width": 1000, "height": 1400}
SECONDS = 60  # until a cell has ended

CELLS = {
    "load": "%load_ext pyftrace",
    "define": """\
import asyncio

def price(item):
    return {"tea": 3, "cake": 5}[item]

def bill(items):
    return sum(map(price, items))

async def fetch(item):
    await asyncio.sleep(0.01)
    return price(item)""",
    "line": '%pyftrace bill(["tea", "cake"])',
    "cell": """\
%%pyftrace --args
print("before")
bill(["tea"])
print("after")""",
    "report": """\
%%pyftrace --report
for _ in range(1000):
    bill(["tea", "cake"])""",
    "await": """\
%%pyftrace
await asyncio.gather(fetch("tea"), fetch("cake"))""",
    "fail": """\
%%pyftrace
bill(["tea", "fish"])""",
    "long": """\
%%pyftrace
for _ in range(50_000):
    price("tea")""",
    "hostile": """\
%%pyftrace -r --columns none
evil = lambda: "<b>bold</b>"
evil.__code__ = evil.__code__.replace(co_qualname="<img src=x onerror=document.title=1>")
evil();""",
    "mistake": "%pyftrace --agrs bill([])",
    "loop": """\
%%pyftrace
while True:
    bill(["tea"])""",
    "again": '%pyftrace bill(["cake"])',
}

SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false"},  # no question over the page
    "notebook-extension/tracker": {"windowingMode": "none"},  # cells stay where they are
}


class Failed(Exception):
    """Something is not on the page."""


def check(what: str, found: bool, text: str = "") -> None:
    print(f"{'ok  ' if found else 'FAIL'}  {what}", flush=True)
    if not found:
        raise Failed(f"{what}:\n{text}")


# ---- the server ----------------------------------------------------------------------------------


def write_notebook(path: Path) -> None:
    cells = [
        {"cell_type": "code", "id": name, "metadata": {}, "source": text, "outputs": [],
         "execution_count": None}
        for name, text in CELLS.items()
    ]  # fmt: skip
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    path.write_text(json.dumps({
        "cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5,
    }))  # fmt: skip


def start_server(folder: Path, token: str) -> tuple["subprocess.Popen[bytes]", str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("JUPYTER", "PYFTRACE"))}
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        environment[name] = str(folder / name.lower())
    for name, setting in SETTINGS.items():
        file = (
            folder / f"jupyter_config_dir/lab/user-settings/@jupyterlab/{name}.jupyterlab-settings"
        )
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(setting))
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}",
         f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={folder / 'work'}"],
        env=environment, cwd=folder, start_new_session=True,
        stdout=(folder / "server.log").open("wb"), stderr=subprocess.STDOUT,
    )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    for _ in range(SECONDS * 4):
        try:
            urllib.request.urlopen(f"{address}/api?token={token}", timeout=5).close()
            return server, address
        except OSError:
            if server.poll() is not None:
                break
            time.sleep(0.25)
    server.kill()
    raise Failed("JupyterLab does not start:\n" + (folder / "server.log").read_text())


# ---- the page ------------------------------------------------------------------------------------


def cell(page: Page, name: str) -> Locator:
    return page.locator(".jp-Notebook .jp-CodeCell").nth([*CELLS].index(name))


def run(page: Page, name: str) -> str:
    """Run a cell as Shift+Enter does; the text of its output once it has ended."""
    start(page, name)
    return ended(page, name)


def start(page: Page, name: str) -> None:
    here = cell(page, name)
    here.scroll_into_view_if_needed()
    here.locator(".jp-InputPrompt").first.click()
    page.keyboard.press("Shift+Enter")


def ended(page: Page, name: str) -> str:
    here = cell(page, name)
    prompt = here.locator(".jp-InputPrompt").first
    for _ in range(SECONDS * 10):
        if re.search(r"\[\d+\]", prompt.inner_text()):
            break
        page.wait_for_timeout(100)
    else:
        raise Failed(f"cell '{name}' does not end")
    page.wait_for_timeout(300)  # the last of its output is painted
    return "\n".join(here.locator(".jp-OutputArea-output").all_inner_texts())


def theme(page: Page, name: str) -> None:
    page.locator(".lm-MenuBar-itemLabel", has_text=re.compile("^Settings$")).click()
    for label in ("Theme", f"JupyterLab {name}"):
        item = page.locator(".lm-Menu-itemLabel", has_text=re.compile(f"^{label}$"))
        item.hover()
    item.click()
    page.wait_for_function(
        "name => document.body.dataset.jpThemeName === name", arg=f"JupyterLab {name}"
    )
    page.wait_for_timeout(500)


def picture(page: Page, name: str, first: str, last: str) -> None:
    """Of these cells, as much of them as the window holds."""
    page.locator(".jp-NotebookPanel-toolbar").click(position={"x": 600, "y": 10})
    cell(page, first).evaluate("cell => cell.scrollIntoView({block: 'start'})")
    page.wait_for_timeout(300)
    top, bottom = cell(page, first).bounding_box(), cell(page, last).bounding_box()
    assert top is not None and bottom is not None
    end = min(bottom["y"] + bottom["height"], PAGE["height"] - 40)
    clip = {"x": top["x"], "y": top["y"], "width": top["width"], "height": end - top["y"]}
    page.screenshot(path=PICTURES / f"{name}.png", clip=clip)  # type: ignore[arg-type]


def rendered(page: Page, name: str, css: str) -> int:
    return cell(page, name).locator(f".jp-OutputArea {css}").count()


def checks(page: Page) -> None:
    check("%load_ext pyftrace says nothing", run(page, "load") == "")
    run(page, "define")
    text = run(page, "line")
    check("%pyftrace shows the tree", "Called bill:6 from line 1\n    Called price:3" in text, text)
    check("and the value", text.rstrip().endswith("8"), text)
    text = run(page, "cell")
    order = [text.find(word) for word in ("before", "Called bill", "Returning bill-> 3", "after")]
    check(
        "%%pyftrace shows the tree among prints", -1 not in order and order == sorted(order), text
    )
    check("with arguments", "Called price:3(item='tea') from line 7" in text, text)
    text = run(page, "report")
    check("--report shows an HTML table", rendered(page, "report", "table") == 1, text)
    check("with calls and cells", "2000" in text and "In[2]:3" in text, text)
    text = run(page, "await")
    check("a cell that awaits shows both tasks", text.count("Suspending fetch") == 2, text)
    check("and its value", "[3, 5]" in text, text)
    text = run(page, "fail")
    check("a failing cell shows how", "Raising price-> KeyError: 'fish'" in text, text)
    check("and its traceback, without ours", "----> 2 bill" in text and "site-packages" not in text,
          text)  # fmt: skip
    text = run(page, "long")
    check("a long tree is cut", "99,000 lines left out" in text and text.count("\n") < 1100, text)
    text = run(page, "hostile")
    check("a hostile name is text", "<img src=x" in text and not rendered(page, "hostile", "img"),
          text)  # fmt: skip
    check("and runs nothing", page.title() != "1", page.title())
    text = run(page, "mistake")
    line = "UsageError: pyftrace: unknown option --agrs; did you mean --args?"
    check("a mistake is one line", text.strip() == line, text)
    start(page, "loop")
    cell(page, "loop").get_by_text("Called price").first.wait_for(timeout=SECONDS * 1000)
    page.locator("[data-command='notebook:interrupt-kernel']").first.click()
    text = ended(page, "loop")
    check("the stop button ends a loop", "KeyboardInterrupt" in text, text)
    check("which shows its last lines, and nothing of ours",
          "lines left out" in text and "site-packages" not in text, text)  # fmt: skip
    text = run(page, "again")
    check("a second run shows itself alone", text.count("Called") == 2 and "-> 5" in text, text)


def chromium() -> str:
    named = os.environ.get("CHROMIUM")
    found = named or next(filter(None, map(shutil.which, BROWSERS)), None)
    if not found:
        raise Failed(f"no browser: one of {', '.join(BROWSERS)} (Debian: apt-get install chromium)")
    return found


def drive(address: str, token: str) -> None:
    with sync_playwright() as play:
        sandbox = [] if os.getuid() else ["--no-sandbox"]  # root's Chromium refuses with one
        browser = play.chromium.launch(executable_path=chromium(), args=sandbox)
        page = browser.new_page(viewport=PAGE)  # type: ignore[arg-type]
        page.goto(f"{address}/lab/tree/magics.ipynb?token={token}")
        page.locator(".jp-Notebook .jp-CodeCell").first.wait_for(timeout=SECONDS * 1000)
        page.get_by_text("| Idle").wait_for(timeout=SECONDS * 1000)  # what runs earlier is lost
        page.keyboard.press("Control+b")  # no file browser
        try:
            checks(page)
            for name in ("Dark", "Light"):
                theme(page, name)
                picture(page, f"{name.lower()}-2", "await", "fail")
                picture(page, f"{name.lower()}-3", "hostile", "again")
                picture(page, f"{name.lower()}-1", "define", "await")  # docs/pictures/notebook.png
        except Exception:
            page.screenshot(path=PICTURES / "failed.png")
            raise
        finally:
            print("browser:", browser.version)
            browser.close()


def main() -> int:
    PICTURES.mkdir(parents=True, exist_ok=True)
    server = None
    with tempfile.TemporaryDirectory() as name:
        folder, token = Path(name), secrets.token_hex(16)
        (folder / "work").mkdir()
        write_notebook(folder / "work" / "magics.ipynb")
        try:
            chromium()
            server, address = start_server(folder, token)
            drive(address, token)
        except Failed as failure:
            print(f"jupyterlab: {failure}", file=sys.stderr)
            return 1
        finally:
            if server is not None:
                os.killpg(server.pid, signal.SIGTERM)  # its kernels too
                server.wait()
    print(f"pictures: {PICTURES.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
