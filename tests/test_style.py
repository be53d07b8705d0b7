"""The house rules that a machine can keep."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
C_FILES = sorted((ROOT / "src").rglob("*.[ch]"))
PY_FILES = sorted((ROOT / "pyftrace").rglob("*.py"))
LAYERS = ("base", "trace", "sink", "engine", "pyapi")
PURE = ("base", "trace", "sink")
STREAM = ("sink/sink.h", "sink/func.h")  # what a walker tells, and to whom

# Mutable state at file scope, each with its reason.
ALLOWED_STATE = {
    "ft_clock": "written once by ft_clock_init",
    "test_clock": "the clock that a test moves, in a build of its own",
    "lock": "where there is no GIL, in its place",
    "lock_here": "tells its threads apart",
    "ft_thread_current": "the thread-local pointer of the hot path",
    "process": "struct ft_process: handlers get no argument",
    "once": "guards the registration of fork handlers, which pthread keeps for the process",
}


def layer_of(path: Path) -> int:
    folder = path.relative_to(ROOT / "src").parts[0]
    return LAYERS.index(folder) if folder in LAYERS else len(LAYERS)


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", C_FILES, ids=name)
def test_includes_go_one_way(path: Path):
    for header in re.findall(r'#include "(\w+/\w+\.h)"', path.read_text()):
        folder = header.partition("/")[0]
        if layer_of(path) == LAYERS.index("trace") and header in STREAM:
            continue
        assert LAYERS.index(folder) <= layer_of(path), f"{path.name} includes {header}"
        if path.parent.name == "sink" and folder == "trace":
            assert path.name.startswith("record"), f"{path.name} includes {header}"
            assert header == "trace/format.h", f"{path.name} includes {header}"


@pytest.mark.parametrize("path", [p for p in C_FILES if p.parent.name in PURE], ids=name)
def test_pure_layers_do_not_know_python(path: Path):
    text = path.read_text()
    assert "Python.h" not in text.replace("free of Python.h", "")
    assert not re.search(r"\bPy[A-Z]\w+\(", text)
    assert '"compat.h"' not in text


@pytest.mark.parametrize("path", C_FILES, ids=name)
def test_versions_are_checked_in_one_place(path: Path):
    if path.name != "compat.h":
        assert "PY_VERSION_HEX" not in path.read_text()


@pytest.mark.parametrize("path", C_FILES + PY_FILES, ids=name)
def test_files_are_of_a_readable_size(path: Path):
    lines = path.read_text().splitlines()
    assert len(lines) <= 600
    assert all(len(line) <= 100 for line in lines), [x for x in lines if len(x) > 100]


@pytest.mark.parametrize("path", C_FILES, ids=name)
def test_c_functions_are_of_a_readable_size(path: Path):
    start = 0
    for number, line in enumerate(path.read_text().splitlines()):
        if line == "{":
            start = number
        elif line == "}" and start:
            assert number - start <= 100, f"{path.name}:{start}"
            start = 0


@pytest.mark.parametrize("path", PY_FILES, ids=name)
def test_python_functions_are_of_a_readable_size(path: Path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            assert node.end_lineno - node.lineno <= 60, node.name


@pytest.mark.parametrize("path", [p for p in C_FILES if p.suffix == ".c"], ids=name)
def test_no_mutable_state_at_file_scope(path: Path):
    text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.S)
    for line in text.splitlines():
        match = re.match(
            r"(static |_Thread_local )?(?!const\b|static const\b)[\w ]+[ *](\w+)"
            r"( __attribute__\S+)?( = [^;]*)?;$",
            line,
        )
        declared = match and not line.startswith(
            ("typedef", "extern", "return", "goto", "struct ft_")
        )
        if match and not line.startswith(" ") and "(" not in line.split("=")[0].split("__attr")[0]:
            if line.startswith(("extern", "const", "static const", "typedef", "#")):
                continue
            assert match[2] in ALLOWED_STATE, f"{path.name}: {line} ({declared})"


@pytest.mark.parametrize("path", C_FILES, ids=name)
def test_every_c_file_says_what_it_is(path: Path):
    text = path.read_text()
    assert text.startswith("/* ")
    assert text.split("*/")[0].count("\n") <= 14


def test_the_traced_process_imports_nothing_heavy():
    """What _boot needs, all of it."""
    allowed = {"os", "sys", "atexit", "gc", "stat", "time", "pyftrace"}
    for file in ("__init__.py", "_boot.py", "_start.py", "_version.py", "options.py", "folder.py"):
        for node in ast.walk(ast.parse((ROOT / "pyftrace" / file).read_text())):
            if isinstance(node, ast.Import):
                modules = {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                modules = {node.module or ""}
            else:
                continue
            top = {module.partition(".")[0] for module in modules}
            assert top <= allowed | {"typing", "collections"}, (file, modules)
            # for type checkers only
            if top & {"typing", "collections"}:
                assert node.col_offset > 0


def test_nothing_is_left_to_do():
    word = "TO" + "DO"
    for path in C_FILES + PY_FILES + sorted((ROOT / "tests").rglob("*.py")):
        assert word not in path.read_text(), path


def test_no_path_of_a_machine():
    for path in C_FILES + PY_FILES + [ROOT / "README.md", ROOT / "Makefile", ROOT / "setup.py"]:
        text = path.read_text()
        assert "/root/" not in text and "/work/" not in text, path
