"""What is installed: the wheel carries everything, works from any directory, and leaves nothing."""

import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
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
        ".git", ".venv*", "build", "dist", "*.egg-info", "__pycache__", "*.so", "actual", ".*cache"
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


def test_sdist_carries_all_there_is_but_what_only_a_clone_needs(wheel: Path, clone: Path):
    (sdist,) = (clone / "out").glob("pyftrace-*.tar.gz")
    top = sdist.name.removesuffix(".tar.gz") + "/"
    with tarfile.open(sdist) as archive:
        assert all(member.isfile() or member.isdir() for member in archive)
        found = {m.name.removeprefix(top) for m in archive if m.isfile()}
    made = {"PKG-INFO", "setup.cfg"}
    assert found >= made
    found = {n for n in found - made if not n.startswith("pyftrace.egg-info/")}
    here = {str(path.relative_to(clone)) for path in clone.rglob("*") if path.is_file()}
    skip = (".ci/", "out/", "build/", "pyftrace.egg-info/")
    assert found == {n for n in here if not n.startswith(skip) and n != ".gitignore"}


def test_wheel_carries_the_manual_page_and_says_what_it_needs(wheel: Path):
    archive = zipfile.ZipFile(wheel)
    (page,) = [n for n in archive.namelist() if n.endswith("/data/share/man/man1/pyftrace.1")]
    assert archive.read(page) == (ROOT / "docs" / "pyftrace.1").read_bytes()
    (name,) = [n for n in archive.namelist() if n.endswith(".dist-info/METADATA")]
    metadata = archive.read(name).decode().partition("\n\n")[0]
    needs = re.findall(r"^Requires-Dist: (.*)", metadata, re.M)
    assert needs and all("extra ==" in need for need in needs)  # the core needs nothing
    for field in ("Summary", "License-Expression", "Keywords", "Description-Content-Type"):
        assert f"\n{field}: " in metadata


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


# ---- what pyproject.toml, setup.py and the README say --------------------------------------------

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def words_behind(classifier: str) -> list[str]:
    return [c.removeprefix(classifier) for c in PROJECT["classifiers"] if c.startswith(classifier)]


def rows_of_readme() -> dict[str, list[str]]:
    """The tables of where it runs."""
    part = (ROOT / "README.md").read_text().partition("## Where it runs")[2]
    rows = re.findall(r"^\| (\w[^|]*) \|(.*)\|$", part, re.M)
    return {name: [cell.strip() for cell in cells.split("|")] for name, cells in rows}


def test_the_readme_has_the_pythons_that_are_tried():
    rows = rows_of_readme()
    pythons = {name.removeprefix("CPython "): r for name, r in rows.items() if "CPython" in name}
    versions = [word for word in words_behind("Programming Language :: Python :: ") if "." in word]
    assert list(pythons) == versions
    assert PROJECT["requires-python"] == f">={versions[0]}"
    matrix = (ROOT / "tools" / "matrix").read_text()
    default = re.search(r"^wanted=\$\{MATRIX:-(.*)\}$", matrix, re.M)
    assert default and {v for v, r in pythons.items() if r[0] == "tried"} == {
        version for version in default[1].split() if not version.endswith("d")
    }
    wheels = re.search(r"MATRIX:-([\d.t ]+)", (ROOT / "tools" / "make-wheels").read_text())
    assert wheels and [v for v in wheels[1].split() if not v.endswith("t")] == versions


def test_the_readme_has_the_free_threaded_pythons_that_are_tried():
    tried = {name.split()[-1] for name, cells in rows_of_readme().items() if cells[1:] == ["tried"]}
    built = (ROOT / "tools" / "matrix").read_text().partition("set -u")[0]
    assert tried == set(re.findall(r"(3\.\d+)t\b", built))
    assert bool(tried) == bool(words_behind("Programming Language :: Python :: Free Threading"))


def test_the_readme_has_the_platforms_of_the_classifiers():
    rows = rows_of_readme()
    platforms = {name: cells[0] for name, cells in rows.items() if "CPython" not in name}
    assert [name for name, cell in platforms.items() if cell == "tried"] == [
        word.rpartition(" ")[2] for word in words_behind("Operating System :: ")
    ]
    assert [name for name, cell in platforms.items() if "refused" in cell] == ["Windows"]


def test_windows_is_refused_in_a_line(clone: Path):
    pytest.importorskip("setuptools")
    code = (
        "import runpy, sys\n"
        "from setuptools.command import build_ext, build_py, editable_wheel\n"
        "sys.platform = 'win32'; sys.argv = ['setup.py', 'build']\n"
        "runpy.run_path('setup.py', run_name='__main__')"
    )
    done = sh(sys.executable, "-c", code, cwd=clone)
    assert done.returncode == 1
    assert done.stderr == "pyftrace does not build on Windows yet: it is not tested there\n"


def test_the_extra_for_tests_is_the_list_of_what_they_need():
    lines = (ROOT / "tools" / "requirements-test.txt").read_text().splitlines()
    assert PROJECT["optional-dependencies"]["test"] == [x for x in lines if x[0] != "#"]


def test_the_version_is_the_one_of_the_changes():
    from pyftrace._version import __version__

    headings = re.findall(r"^## (\S+) \((.*)\)$", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert headings[0][0] == __version__
    assert all(re.fullmatch(r"unreleased|20\d\d-\d\d-\d\d", day) for _, day in headings)
    assert all(day != "unreleased" for _, day in headings[1:])
