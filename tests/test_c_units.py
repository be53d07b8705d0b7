"""The C below the engine by itself: each CASE of tests/c, compiled with sanitizers and run."""

import re
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent / "c"
SOURCE = HERE.parent.parent / "src"
UNITS = [*SOURCE.glob("base/*.c"), *SOURCE.glob("trace/*.c"), *SOURCE.glob("sink/*.c")]
PROGRAMS = sorted(HERE.glob("*.c"))
CASES = [
    (program.stem, case)
    for program in PROGRAMS
    for case in re.findall(r"^CASE\((\w+)\)", program.read_text(), re.MULTILINE)
]
FLAGS = [
    "-std=c11", "-D_GNU_SOURCE", "-g", "-O1", "-Wall", "-Wextra", "-Werror", "-Wno-unused-function",
    "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-I", str(SOURCE), "-I", str(HERE),
]  # fmt: skip
WRAPPED = ["-Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc"]
COMPILER = shutil.which((sysconfig.get_config_var("CC") or "cc").split()[0]) or shutil.which("cc")


def sh(*words: object, cwd: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [str(word) for word in words], cwd=cwd, capture_output=True, text=True, timeout=300
    )


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if COMPILER is None:
        pytest.skip("no C compiler")
    folder = tmp_path_factory.mktemp("c")
    (folder / "empty.c").write_text("int main(void) { return 0; }\n")
    if sh(COMPILER, *FLAGS, "empty.c", "-o", "empty", cwd=folder).returncode:
        pytest.skip("the compiler has no sanitizers")
    objects = []
    for unit in UNITS:
        name = f"{unit.parent.name}_{unit.stem}.o"
        done = sh(COMPILER, *FLAGS, "-c", unit, "-o", name, cwd=folder)
        assert not done.stderr and done.returncode == 0, done.stderr
        objects.append(name)
    for program in PROGRAMS:
        done = sh(
            COMPILER, *FLAGS, program, *objects, *WRAPPED, "-lpthread", "-o", program.stem,
            cwd=folder,
        )  # fmt: skip
        assert not done.stderr and done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize(("program", "case"), CASES)
def test_case(program: str, case: str, programs: Path, tmp_path: Path) -> None:
    done = sh(programs / program, case, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_there_are_cases() -> None:
    assert {program for program, _ in CASES} == {path.stem for path in PROGRAMS}
    assert len(CASES) >= 40
