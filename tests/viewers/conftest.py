"""The programs that open what pyftrace exports, as `make viewers` installs them: nothing here is
skipped, what is missing fails."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from conftest import clean_environment  # noqa: E402  (tests/conftest.py's)

ROOT = Path(__file__).resolve().parent.parent.parent
VIEWERS = Path(os.environ.get("PYFTRACE_VIEWERS", ROOT / "build" / "viewers"))
PICTURES = VIEWERS / "pictures"
MODULES = VIEWERS / "node_modules"


def run(cwd: Path, *words: str) -> str:
    """What a command prints; it must end well and say nothing on standard error."""
    done = subprocess.run(
        words, cwd=cwd, env=clean_environment(), capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


@pytest.fixture
def pyftrace(tmp_path: Path) -> Callable[..., str]:
    """pyftrace(*words) in an empty folder: what it prints."""
    return lambda *words: run(tmp_path, sys.executable, "-m", "pyftrace", *words)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium."""
    path = shutil.which("chromium")
    assert path, "chromium is not installed"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A page without a network; what it logs as an error fails the test."""
    context = chromium.new_context(offline=True, viewport={"width": 1280, "height": 900})
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert errors == []
