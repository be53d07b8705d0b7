"""Pictures of what bench/run.py and bench/keras/run.py found: python bench/plots.py [FOLDER].

Reads FOLDER/bench-*.json and FOLDER/keras.json (docs/figures), writes docs/pictures/*.svg and
*.png, and the tables of docs/performance.md. Needs matplotlib."""

import json
import statistics
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

sys.path.insert(0, str(Path(__file__).resolve().parent))
import modes
from programs import PYPERFORMANCE

ROOT = Path(__file__).resolve().parent.parent
OURS, OTHERS, LEAST, GREY = "#1f5fbf", "#b9c2cf", "#7a8699", "#5b6470"
SHOWN = (
    modes.EMPTY, modes.CLOCK, modes.RECORD, modes.REPORT, modes.VIZTRACER, modes.TRACE0,
    modes.CPROFILE, modes.YAPPI, modes.MONITORING, modes.SETPROFILE, modes.SETTRACE,
)  # fmt: skip

plt.rcParams.update(
    {"font.size": 10, "axes.spines.top": False, "axes.spines.right": False, "svg.hashsalt": "0"}
)


def color(mode: str) -> str:
    if mode in (modes.EMPTY, modes.CLOCK):
        return LEAST
    return OURS if mode.startswith("pyftrace") else OTHERS


def save(figure: plt.Figure, folder: Path, name: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    figure.tight_layout()
    figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
    figure.savefig(folder / f"{name}.png", dpi=144)
    plt.close(figure)
    print(f"{name}.svg, {name}.png")


def calls(found: dict, folder: Path) -> None:
    """What each tool adds to a call of fib."""
    figures = found["calls"]["fib"]["modes"]
    names = [name for name in SHOWN if name in figures][::-1]
    values = [figures[name]["added_ns"] for name in names]
    figure, axes = plt.subplots(figsize=(7.5, 4))
    bars = axes.barh(names, values, color=[color(name) for name in names])
    axes.bar_label(bars, [f"{value:.0f}" for value in values], padding=3, color=GREY)
    axes.set_xscale("log")
    axes.set_xlabel("ns added to a Python call of fib (logarithmic)")
    axes.set_title(f"What a call costs, CPython {found['python']}", loc="left")
    save(figure, folder, f"calls-{short(found)}")


def slowdowns(found: dict, folder: Path) -> None:
    """How many times longer pyperformance's programs take, by tool."""
    programs = found["programs"]
    names = sorted(
        (name for name in PYPERFORMANCE if name in programs),
        key=lambda name: programs[name]["modes"][modes.RECORD]["slowdown"],
    )
    shown = {modes.RECORD: OURS, modes.TRACE0: "#d9822b", modes.CPROFILE: "#8a5fbf",
             modes.VIZTRACER: "#4b9b6e"}  # fmt: skip
    figure, axes = plt.subplots(figsize=(7.5, 5))
    for mode, painted in shown.items():
        points = [
            (programs[name]["modes"][mode]["slowdown"], name)
            for name in names if mode in programs[name]["modes"]
        ]  # fmt: skip
        if points:
            middle = statistics.median(x for x, _ in points)
            axes.plot(*zip(*points, strict=True), "o", color=painted, ms=6,
                      label=f"{mode}, median {middle:.2f}")  # fmt: skip
    axes.axvline(1, color=GREY, lw=0.8)
    axes.set_xlabel("times as long as untraced")
    axes.set_title(f"pyperformance's programs, CPython {found['python']}", loc="left")
    axes.grid(axis="y", color="#e6e9ee")
    axes.legend(frameon=False, loc="lower right")
    save(figure, folder, f"programs-{short(found)}")


def processes(found: dict, folder: Path) -> None:
    """Whole commands over fib: until the program ends, and until there is a result to read."""
    figures = found["processes"]["fib"]
    names = list(figures)[::-1]
    ending = [figures[name]["ending"] for name in names]
    running = [figures[name]["wall"] - figures[name]["ending"] for name in names]
    figure, axes = plt.subplots(figsize=(7.5, 3.2))
    axes.barh(names, running, color=[color(name) for name in names])
    bars = axes.barh(names, ending, left=running, color="#e0a458", label="after the program's end")
    whole = [a + b for a, b in zip(running, ending, strict=True)]
    axes.bar_label(bars, [f"{value:.2f} s" for value in whole], padding=3, color=GREY)
    axes.set_xlabel("seconds of the process, a program of 1.7 million calls")
    axes.set_xlim(0, max(whole) * 1.15)
    axes.legend(frameon=False, loc="lower right")
    axes.set_title(f"To a finished result, CPython {found['python']}", loc="left")
    save(figure, folder, f"processes-{short(found)}")


def talk(found: dict, folder: Path) -> None:
    """The talk's experiment."""
    seconds = {name: statistics.median(values) for name, values in found["seconds"].items()}
    base = seconds.pop("untraced")
    names = list(seconds)[::-1]
    added = [(seconds[name] / base - 1) * 100 for name in names]
    figure, axes = plt.subplots(figsize=(7.5, 4.2))
    labels = [
        f"{name}\n{value:+.1f} %" + f", {found['callbacks'][name]:,} callbacks"
        * bool(found["callbacks"][name]) for value, name in zip(added, names, strict=True)
    ]  # fmt: skip
    axes.barh(labels, added, color=[color(name) for name in names])
    axes.axvline(0, color=GREY, lw=0.8)
    axes.set_xlabel("longer than untraced, %")
    axes.set_title("A convolutional network learns digits (Keras, JAX)", loc="left")
    save(figure, folder, "keras")


# ---- tables --------------------------------------------------------------------------------------

WORKLOADS = ("fib", "methods", "generators", "coroutines", "exceptions", "recursion", "8 threads")
BEGIN, END = "<!-- tables: make plots -->\n", "<!-- end of tables -->"


def markdown(rows: list[list[str]]) -> str:
    head, *body = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([head, "|---" + "|--:" * (len(rows[0]) - 1) + "|", *body]) + "\n"


def added(found: dict, mode: str, work: str) -> str:
    figures = found["calls"][work]["modes"]
    return str(round(figures[mode]["added_ns"])) if mode in figures else ""


def by_python(all_found: list[dict]) -> str:
    """ns added to a call of fib."""
    most = max(all_found, key=lambda found: len(found["calls"]["fib"]["modes"]))
    rows = [["added to a call of fib, ns", *(found["python"] for found in all_found)]]
    for mode in most["calls"]["fib"]["modes"]:
        rows.append([mode, *(added(found, mode, "fib") for found in all_found)])
    return markdown(rows)


def by_workload(found: dict) -> str:
    rows = [[f"added to a Python call, ns, {found['python']}", *WORKLOADS]]
    for mode in found["calls"]["fib"]["modes"]:
        rows.append([mode, *(added(found, mode, work) for work in WORKLOADS)])
    return markdown(rows)


def excluded(all_found: list[dict]) -> str:
    """Times as long as untraced."""
    rows = [["out of scope, times untraced", *(found["python"] for found in all_found)]]
    for what in ("excluded", "excluded raises"):
        cells = [found["calls"][what]["modes"][modes.OWN]["slowdown"] for found in all_found]
        rows.append([what, *(f"{value:.3f}" for value in cells)])
    return markdown(rows)


def called_back(found: dict) -> str:
    """How often each kind of tool is called."""
    works = [work for work in WORKLOADS if "callbacks" in found["calls"][work]]
    rows = [[f"callbacks a Python call, {found['python']}", *works]]
    for kind in found["calls"][works[0]]["callbacks"] if works else []:
        each = [found["calls"][work] for work in works]
        rows.append([kind, *(f"{of['callbacks'][kind] / of['calls']:.2f}" for of in each)])
    return markdown(rows)


def whole(found: dict) -> str:
    """Commands over whole programs, to a result that can be read."""
    rows = [[f"whole processes, {found['python']}", "seconds", "after the program's end",
             "to show it", "memory, MB", "disk, MB"]]  # fmt: skip
    for program, tools in found["processes"].items():
        for tool, of in tools.items():
            times = (f"{of[name]:.2f}" for name in ("wall", "ending", "shown"))
            rows.append([f"{program}, {tool}", *times, f"{of['memory']:.0f}",
                         f"{of['disk'] / 1e6:.1f}"])  # fmt: skip
    return markdown(rows)


def verdicts(all_found: list[dict]) -> str:
    """What came of each target; bold where it is missed."""
    rows = [["target", "at most", *(found["python"] for found in all_found)]]
    by_name = [{(row["what"], row["on"]): row for row in found["targets"]} for found in all_found]
    for name in dict.fromkeys(name for found in by_name for name in found):
        cells, limits = [], []
        for row in (found.get(name) for found in by_name):
            bold = "**" if row and row["missed"] else ""
            cells.append(f"{bold}{row['value']:.2f}{bold}" if row else "")
            limits += [f"{row['limit']:g}"] if row else []
        rows.append([", ".join(name), ", ".join(dict.fromkeys(limits)), *cells])
    return markdown(rows)


def write_tables(all_found: list[dict]) -> None:
    page = ROOT / "docs" / "performance.md"
    before, _, rest = page.read_text().partition(BEGIN)
    tables = [by_python(all_found), by_workload(all_found[-2]), called_back(all_found[-2]),
              excluded(all_found), *(whole(found) for found in all_found if "processes" in found),
              verdicts(all_found)]  # fmt: skip
    page.write_text(before + BEGIN + "\n" + "\n".join(tables) + "\n" + END + rest.partition(END)[2])


def short(found: dict) -> str:
    return ".".join(found["python"].split(".")[:2])


def main() -> None:
    source = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "figures"
    pictures = ROOT / "docs" / "pictures"
    all_found = [json.loads(file.read_text()) for file in sorted(source.glob("bench-*.json"))]
    write_tables(all_found)
    for found in all_found:
        for part, draw in (("calls", calls), ("programs", slowdowns), ("processes", processes)):
            if part in found:
                draw(found, pictures)
    if (source / "keras.json").exists():
        talk(json.loads((source / "keras.json").read_text()), pictures)


if __name__ == "__main__":
    main()
