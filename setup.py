"""Builds the extension and puts the start-up hook at the root of site-packages.

Switches: PYFTRACE_BUILD, words of: debug (no optimisation), asan (AddressSanitizer and UBSan),
werror, testclock (time stands still but for _engine.advance_clock())."""

import os
import shutil
import sys
from glob import glob
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py
from setuptools.command.editable_wheel import editable_wheel

HERE = Path(__file__).resolve().parent
SWITCHES = os.environ.get("PYFTRACE_BUILD", "").split()

if sys.platform == "win32":
    raise SystemExit("pyftrace does not build on Windows yet: it is not tested there")


def version() -> str:
    scope: dict[str, str] = {}
    exec((HERE / "pyftrace" / "_version.py").read_text(), scope)
    return scope["__version__"]


def hooks() -> list[Path]:
    """The files that site reads at start-up; 3.15 and later read *.start (PEP 829) too."""
    names = ["pyftrace.pth"] + (["pyftrace.start"] if sys.version_info >= (3, 15) else [])
    return [HERE / "pyftrace" / "hook" / name for name in names]


class BuildPy(build_py):
    """The package, and the hook beside it."""

    def run(self) -> None:
        super().run()
        if not getattr(self, "editable_mode", False):
            for hook in hooks():
                self.mkpath(self.build_lib)
                shutil.copyfile(hook, Path(self.build_lib) / hook.name)

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        outputs = super().get_outputs(include_bytecode)
        if not getattr(self, "editable_mode", False):
            outputs += [str(Path(self.build_lib) / hook.name) for hook in hooks()]
        return outputs


class EditableWheel(editable_wheel):
    """An editable install carries the hook as well: it goes into the wheel's root."""

    def _install_namespaces(self, installation_dir: object, pth_prefix: str) -> None:
        super()._install_namespaces(installation_dir, pth_prefix)
        for hook in hooks():
            shutil.copyfile(hook, Path(str(installation_dir)) / hook.name)


class BuildExt(build_ext):
    """One line instead of a traceback when there is nothing to compile with."""

    def build_extension(self, ext: Extension) -> None:
        if not (Path(self.include_dirs[0]) / "Python.h").exists() and not any(
            (Path(d) / "Python.h").exists() for d in self.include_dirs
        ):
            raise SystemExit(
                f"pyftrace: Python.h of {sys.executable} is missing: install its development"
                " package (python3-dev or python3.X-dev)"
            )
        compiler = self.compiler.compiler_so[0] if self.compiler.compiler_so else "cc"
        if shutil.which(compiler) is None:
            raise SystemExit(
                f"pyftrace: no C compiler: {compiler} was not found; install gcc or clang"
                " (Debian: apt install gcc libc6-dev)"
            )
        super().build_extension(ext)


def flags() -> list[str]:
    words = [
        "-std=c11",
        "-D_GNU_SOURCE",
        "-fvisibility=hidden",
        "-O0" if "debug" in SWITCHES else "-O3",
    ]
    words += ["-Wall", "-Wextra", "-Wshadow", "-Wstrict-prototypes", "-Wmissing-prototypes"]
    # Two words for the stack put together in a vector register first are later than stored apart.
    words += ["-fno-plt", "-fno-semantic-interposition", "-fno-tree-slp-vectorize"]
    if "werror" in SWITCHES:
        words.append("-Werror")
    if "asan" in SWITCHES:
        words += ["-g", "-fsanitize=address,undefined", "-fno-omit-frame-pointer"]
    return words


sources = [
    os.path.relpath(path, HERE) for path in glob(str(HERE / "src" / "**" / "*.c"), recursive=True)
]
headers = [
    os.path.relpath(path, HERE) for path in glob(str(HERE / "src" / "**" / "*.h"), recursive=True)
]

setup(
    ext_modules=[
        Extension(
            "pyftrace._engine",
            sources=sorted(sources),
            depends=sorted(headers),
            include_dirs=["src"],
            define_macros=[
                ("PYFTRACE_VERSION", f'"{version()}"'),
                *([("FT_TEST_CLOCK", None)] if "testclock" in SWITCHES else []),
            ],
            extra_compile_args=flags(),
            extra_link_args=["-fsanitize=address,undefined"] if "asan" in SWITCHES else [],
        )
    ],
    cmdclass={"build_py": BuildPy, "build_ext": BuildExt, "editable_wheel": EditableWheel},
)
