"""What is installed: the wheel carries everything, works from any directory, and leaves nothing."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from conftest import clean_environment

from pyftrace.html import SCRIPTS

ROOT = Path(__file__).resolve().parent.parent


def sh(*words: object, cwd: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [str(word) for word in words],
        cwd=cwd,
        env=clean_environment(PIP_DISABLE_PIP_VERSION_CHECK="1"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
    )


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("package") / "clone"
    skip = shutil.ignore_patterns(
        ".git", ".venv", "build", "dist", "*.egg-info", "__pycache__", "*.so"
    )
    shutil.copytree(ROOT, folder, ignore=skip)
    return folder


@pytest.fixture(scope="module")
def wheel(clone: Path) -> Path:
    pytest.importorskip("build")
    pytest.importorskip("setuptools")
    done = sh(sys.executable, "-m", "build", "--no-isolation", "-o", "out", cwd=clone)
    assert done.returncode == 0, done.stdout + done.stderr
    assert list((clone / "out").glob("pyftrace-*.tar.gz")), "no sdist"
    (found,) = (clone / "out").glob("pyftrace-*.whl")
    return found


@pytest.fixture(scope="module")
def venv(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("venv")
    assert sh(sys.executable, "-m", "venv", folder, cwd=folder).returncode == 0
    pip = folder / "bin" / "pip"
    done = sh(pip, "install", "--no-index", "--no-deps", wheel, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_wheel_carries_the_hook_the_types_and_no_sources(wheel: Path):
    names = zipfile.ZipFile(wheel).namelist()
    assert "pyftrace.pth" in names
    assert ("pyftrace.start" in names) == (sys.version_info >= (3, 15))
    assert {"pyftrace/py.typed", "pyftrace/_engine.pyi"} <= set(names)
    assert {"pyftrace/html/page.html", "pyftrace/html/viewer.css"} <= set(names)
    assert {f"pyftrace/html/{name}" for name in SCRIPTS} <= set(names)
    assert any(name.startswith("pyftrace/_engine.") and name.endswith(".so") for name in names)
    assert not any(name.endswith((".c", ".h")) or name.startswith("tests") for name in names)


def test_installed_wheel_works_everywhere(venv: Path, clone: Path, tmp_path: Path):
    script = ROOT / "examples" / "foobar.py"
    expected = "Called foo:1 from line 8\n    Called bar:5 from line 2\n"
    for folder in (tmp_path, clone):  # in the clone the source folder hides the installed package
        for command in ([venv / "bin" / "pyftrace"], [venv / "bin" / "python", "-m", "pyftrace"]):
            done = sh(*command, script, cwd=folder)
            assert expected in done.stdout, done.stderr
    done = sh(venv / "bin" / "python", "-c", "import pyftrace; pyftrace.trace(print)", cwd=clone)
    assert "ImportError: pyftrace is not built here" in done.stderr.splitlines()[-1]


def test_without_the_hook_the_launcher_finds_another_way(venv: Path, tmp_path: Path):
    (hook,) = venv.glob("lib/python*/site-packages/pyftrace.pth")
    hidden = hook.with_suffix(".hidden")
    hook.rename(hidden)
    try:
        (tmp_path / "sitecustomize.py").write_text("print('mine')\n")
        (tmp_path / "app.py").write_text(
            "import os, sys\ndef f():\n    return 1\nf()\n"
            "print(os.environ.get('PYTHONPATH'), [p for p in sys.path if p.endswith('hook')])\n"
        )
        command = ["env", f"PYTHONPATH={tmp_path}", venv / "bin" / "python"]
        done = sh(*command, "-m", "pyftrace", "app.py", cwd=tmp_path)
        assert "Called f:2 from line 4" in done.stdout, done.stderr
        assert done.stdout.count("mine") == 2  # the launcher's own start, and the program's
        assert f"{tmp_path} []" in done.stdout
        done = sh(venv / "bin" / "python", "-I", "-m", "pyftrace", "app.py", cwd=tmp_path)
        assert done.returncode == 2 and "-I or -E" in done.stderr
    finally:
        hidden.rename(hook)


def test_editable_install_carries_the_hook(clone: Path, tmp_path: Path):
    folder = tmp_path / "venv"
    sh(sys.executable, "-m", "venv", "--system-site-packages", folder, cwd=tmp_path)
    pytest.importorskip("setuptools")
    pytest.importorskip("pip")
    here = [p for p in sys.path if p.endswith("site-packages")]
    done = sh(
        "env", f"PYTHONPATH={':'.join(here)}", folder / "bin" / "python", "-m", "pip", "install",
        "--no-build-isolation", "--no-deps", "-q", "-e", clone, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert list(folder.glob("lib/python*/site-packages/pyftrace.pth"))
    done = sh(folder / "bin" / "pyftrace", ROOT / "examples" / "foobar.py", cwd=tmp_path)
    assert "Called foo:1 from line 8" in done.stdout, done.stderr
    sh(folder / "bin" / "python", "-m", "pip", "uninstall", "-q", "-y", "pyftrace", cwd=tmp_path)
    assert not list(folder.glob("lib/python*/site-packages/pyftrace*"))


def test_find_python(tmp_path: Path):
    pytest.importorskip("ensurepip")
    tool = ROOT / "tools" / "find-python"
    done = sh("env", f"PYTHON={sys.executable}", tool, cwd=tmp_path)
    assert (done.stdout.strip(), done.returncode) == (sys.executable, 0)
    done = sh("env", "PYTHON=no-such-python", tool, cwd=tmp_path)
    assert done.returncode == 2 and "there is no such command" in done.stderr
    shim = tmp_path / "python3"
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    done = sh("env", f"PYTHON={shim}", tool, cwd=tmp_path)
    assert done.returncode == 2 and "is not a CPython >= 3.12 that runs" in done.stderr
