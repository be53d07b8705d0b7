"""The talk's experiment with our tracer beside its two: python bench/keras/run.py [--rounds N]
[--images N] [--epochs N] [--json FILE].

Whole processes by turns, medians. Installs Keras with JAX into build/bench-keras at first."""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
HOME = ROOT / "build" / "bench-keras"
PYTHON = HOME / "venv" / "bin" / "python"
TALK = {"sys.settrace": "+11.5 %, 19.7 million", "sys.monitoring in Python": "+3.4 %, 4.6 million"}
SHARE = "your code only"

# By name: the words before the program, and those behind it.
MODES: dict[str, tuple[list[str], list[str]]] = {
    "untraced": ([], []),
    "sys.settrace": ([], ["--with", "settrace"]),
    "sys.monitoring in Python": ([], ["--with", "monitoring"]),
    f"pyftrace record, {SHARE}": (["-m", "pyftrace", "record", "-q", "-o", "run"], []),
    f"pyftrace --report, {SHARE}": (["-m", "pyftrace", "--report", "-q", "-o", "table"], []),
    "pyftrace record -vv": (["-m", "pyftrace", "record", "-q", "-vv", "-o", "run"], []),
    "pyftrace --report -vv": (["-m", "pyftrace", "--report", "-q", "-vv", "-o", "table"], []),
}


def install() -> None:
    """Keras, JAX and this tree's pyftrace."""
    if not PYTHON.exists():
        subprocess.run([sys._base_executable, "-m", "venv", HOME / "venv"], check=True)
    pip = [PYTHON, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    subprocess.run([*pip, "keras>=3.15", "jax>=0.12"], check=True)
    subprocess.run([*pip, "--force-reinstall", "--no-deps", ROOT], check=True)


def run(words: tuple[list[str], list[str]], sizes: list[str]) -> tuple[float, int]:
    """Seconds of the training, and callbacks."""
    env = {k: v for k, v in os.environ.items() if k not in ("PYTHONUNBUFFERED", "PYFTRACE")}
    for old in ("run", "table"):
        shutil.rmtree(HOME / old) if (HOME / old).is_dir() else None
    done = subprocess.run(
        [PYTHON, *words[0], HERE / "convnet.py", *sizes, *words[1]],
        cwd=HOME, env=env, capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = json.loads(done.stdout.splitlines()[-1])
    return found["seconds"], found["callbacks"] or seen(words[0])


def seen(words: list[str]) -> int:
    """Events that pyftrace was told: of a recording; a report's are those of the same recording."""
    if "record" not in words:
        return 0
    shown = subprocess.run(
        [PYTHON, "-c", "import pyftrace; print(pyftrace.open('run').info['events'])"],
        cwd=HOME, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return int(shown.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=60_000)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    install()
    sizes = [f"--images={options.images}", f"--epochs={options.epochs}"]
    seconds: dict[str, list[float]] = {name: [] for name in MODES}
    callbacks = dict.fromkeys(MODES, 0)
    for turn in range(options.rounds):
        order = list(MODES.items())
        for name, words in order if turn % 2 == 0 else reversed(order):
            took, callbacks[name] = run(words, sizes)
            seconds[name].append(took)
            print(f"  {name}: {took:.1f} s", file=sys.stderr)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    base = medians["untraced"]
    print(f"{options.images} images, {options.epochs} epochs, {options.rounds} rounds, medians\n")
    print("Seconds of the training; callbacks of the talk's tracers from its beginning on, of")
    print("pyftrace the events of the whole process, imports too.\n")
    print(f"{'':<36}{'seconds':>9}{'added':>9}{'callbacks':>13}  the talk's")
    for name, value in medians.items():
        added = f"{value / base - 1:+.1%}"
        line = f"{name:<36}{value:>9.1f}{added:>9}{callbacks[name]:>13,}  {TALK.get(name, '')}"
        print(line.rstrip())
    if options.json:
        result = {
            "images": options.images, "epochs": options.epochs, "seconds": seconds,
            "callbacks": callbacks,
        }  # fmt: skip
        options.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
