"""Builds the engine from C files in a folder of its own: all once, then only what was changed."""

import shlex
import shutil
import subprocess
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


class Built:
    """Objects of a copy of src/, and libraries linked from them: folders for PYTHONPATH."""

    def __init__(self, folder: Path, defines: tuple[str, ...] = (), jobs: int = 2) -> None:
        self.source = folder / "src"
        self.objects = folder / "objects"
        self.folder = folder
        self.defines = defines
        folder.mkdir(exist_ok=True)
        shutil.copytree(ROOT / "src", self.source)
        self.objects.mkdir()
        files = sorted(self.source.rglob("*.c"))
        with ThreadPoolExecutor(jobs) as pool:
            list(pool.map(lambda file: self.compile(file, self.object_of(file)), files))

    def object_of(self, file: Path) -> Path:
        return self.objects / str(file.relative_to(self.source)).replace("/", "-").replace(
            ".c", ".o"
        )

    def compile(self, file: Path, to: Path, headers: Path | None = None) -> None:
        """``headers``: a folder of some that are found before those of src/."""
        include = sysconfig.get_path("include")
        platform = sysconfig.get_path("platinclude")
        self.call(
            *shlex.split(sysconfig.get_config_var("CC") or "cc"), "-c", "-O0", "-fPIC", "-std=c11",
            "-D_GNU_SOURCE", "-fvisibility=hidden", '-DPYFTRACE_VERSION="0"',
            *(f"-D{name}" for name in self.defines),
            *([f"-I{headers}"] if headers else []),
            f"-I{self.source}", f"-I{include}", f"-I{platform}", str(file), "-o", str(to),
        )  # fmt: skip

    def call(self, *words: str) -> None:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(words)}:\n{done.stderr}")

    def link(self, name: str, instead: dict[Path, Path] | None = None) -> Path:
        """A folder with the package; ``instead``: objects in the place of others."""
        lib = self.folder / name
        shutil.copytree(
            ROOT / "pyftrace",
            lib / "pyftrace",
            ignore=shutil.ignore_patterns("*.so", "__pycache__"),
        )
        objects = sorted(self.objects.glob("*.o"))
        if unknown := [path for path in instead or {} if path not in objects]:
            raise RuntimeError(f"nothing is linked from {unknown[0].name}")
        objects = [(instead or {}).get(path, path) for path in objects]
        self.call(
            *shlex.split(sysconfig.get_config_var("CC") or "cc"), "-shared",
            *map(str, objects), "-o",
            str(lib / "pyftrace" / f"_engine{sysconfig.get_config_var('EXT_SUFFIX')}"),
        )  # fmt: skip
        return lib
