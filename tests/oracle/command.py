"""The commands tests/oracle/run and tests/oracle/mutants."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

CHUNK = 500
HERE = Path(__file__).resolve().parent
LIMIT = 1800  # seconds for one process, so that an engine that hangs ends


def judged(seeds: range, way: str = "", lib: Path | None = None) -> dict:
    """What a process of its own finds: a Result as a dictionary, or {"died": how}; ``way``: "",
    "--whole" or "--known"."""
    words = ["worker", str(seeds.start), str(seeds.stop), *filter(None, [way])]
    path = [str(lib)] * (lib is not None) + [str(HERE.parent)]
    done = subprocess.Popen(
        [sys.executable, "-P", "-m", "oracle.command", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env=os.environ | {"PYTHONPATH": os.pathsep.join(path), "PYTHONDONTWRITEBYTECODE": "1"},
    )
    try:
        out, err = done.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        done.kill()
        done.communicate()
        return {"died": f"still running after {LIMIT} s"}
    if done.returncode == 0:
        found: dict = json.loads(out.splitlines()[-1])
        return found
    return {"died": f"status {done.returncode}: {err.strip()[-2000:]}"}


def worker(seeds: range, whole: bool, known: bool) -> int:
    from oracle import checks, timed

    if known:
        print(json.dumps({"failures": timed.check(seeds)}))
    else:
        print(json.dumps(vars(checks.check(seeds, whole))))
    return 0


def run(programs: int, jobs: int, seed: int, whole: bool) -> int:
    begun = time.monotonic()
    chunks = [
        range(at, min(at + CHUNK, seed + programs)) for at in range(seed, seed + programs, CHUNK)
    ]
    way = "--whole" if whole else ""
    events = failed = 0
    compared: dict[str, int] = {}
    with ThreadPoolExecutor(jobs) as pool:
        for seeds, found in zip(chunks, pool.map(lambda s: judged(s, way), chunks), strict=True):
            if "died" in found:
                failed += len(seeds)
                print(f"seeds {seeds.start} to {seeds.stop - 1}: {found['died']}")
                continue
            events += found["events"]
            for level, count in found["compared"].items():
                compared[level] = compared.get(level, 0) + count
            failed += len(found["failures"])
            for number, texts in found["failures"].items():
                for text in texts:
                    print(f"seed {number}: {text}")
    seconds = time.monotonic() - begun
    version = ".".join(map(str, sys.version_info[:3]))
    print("compared: " + ", ".join(f"{level} {count}" for level, count in compared.items()))
    print(
        f"oracle: Python {version}: {programs} programs, {events} events each way,"
        f" {failed} programs with differences, {programs / seconds:.0f} programs/s"
    )
    return 1 if failed else 0


def mutants(programs: int, jobs: int, seed: int, names: list[str]) -> int:
    from oracle.build import Built
    from oracle.export_faults import EXPORT_FAULTS
    from oracle.faults import FAULTS
    from oracle.suite import Installed

    faults = [fault for fault in (*FAULTS, *EXPORT_FAULTS) if not names or fault.name in names]
    seeds = range(seed, seed + programs)
    with tempfile.TemporaryDirectory(prefix="oracle") as folder:
        builds = {
            clock: Built(Path(folder) / str(clock), ("FT_TEST_CLOCK",) * clock, jobs)
            for clock in sorted({fault.clock for fault in faults})
        }
        suites = sorted({fault.suite for fault in faults if fault.suite})
        installed = Installed(Path(folder)) if suites else None
        ways = {False: "--whole", True: "--known"}

        def killed(number: int) -> tuple[int, str]:
            fault = faults[number]
            built = builds[fault.clock]
            headers = built.folder / f"headers{number}" if fault.units else None
            if headers:  # its header is found before the one that is right
                changed = headers / fault.file
                changed.parent.mkdir(parents=True)
            else:
                changed = (built.source / fault.file).with_name(f"mutant{number}.c")
            fault.apply(built.source, changed)
            instead = {}
            for unit in fault.units or (fault.file,):
                source = built.source / unit
                target = built.folder / f"mutant{number}-{len(instead)}.o"
                built.compile(source if headers else changed, target, headers)
                instead[built.object_of(source)] = target
            lib = built.link(f"lib{number}", instead)
            if installed and fault.suite:
                return installed.failed(f"venv{number}", lib, fault.suite)
            found = judged(seeds, ways[fault.clock], lib)
            if "died" in found:
                return programs, found["died"].splitlines()[-1]
            levels: dict[str, int] = {}
            for texts in found["failures"].values():
                for level in {text.partition(":")[0] for text in texts}:
                    levels[level] = levels.get(level, 0) + 1
            return len(found["failures"]), ", ".join(f"{x} {n}" for x, n in levels.items())

        for clock, built in builds.items():
            lib = built.link("sound")
            sound = judged(seeds, ways[clock], lib)
            if sound.get("failures", sound.get("died")):
                print(f"the engine as it is does not pass: {sound}")
                return 1
            if installed and not clock:
                count, how = installed.failed("sound", lib, " ".join(suites))
                if count:
                    print(f"the engine as it is does not pass: {how}")
                    return 1
        print(f"{'fault':<48} failed of {programs}, or tests of the suite")
        status = 0
        with ThreadPoolExecutor(jobs) as pool:
            results = pool.map(killed, range(len(faults)))
            for fault, (count, how) in zip(faults, results, strict=True):
                enough = count > 0 if fault.suite else count * 100 >= fault.least * programs
                status |= not enough
                print(f"{fault.name:<48} {count:>4}{'' if enough else ' TOO FEW'}  {how}")
                sys.stdout.flush()
    return status


def main() -> int:
    p = argparse.ArgumentParser(prog="tests/oracle")
    commands = p.add_subparsers(dest="command", required=True)
    for name, programs in (("run", 1000), ("mutants", 100)):
        command = commands.add_parser(name)
        command.add_argument("--programs", type=int, default=programs)
        command.add_argument("--jobs", type=int, default=2)
        command.add_argument("--seed", type=int, default=0)
    commands.choices["run"].add_argument("--whole", action="store_true")
    commands.choices["mutants"].add_argument("names", nargs="*")
    inner = commands.add_parser("worker")
    inner.add_argument("start", type=int)
    inner.add_argument("stop", type=int)
    inner.add_argument("--whole", action="store_true")
    inner.add_argument("--known", action="store_true")
    a = p.parse_args()
    if a.command == "worker":
        return worker(range(a.start, a.stop), a.whole, a.known)
    if a.command == "run":
        return run(a.programs, a.jobs, a.seed, a.whole)
    return mutants(a.programs, a.jobs, a.seed, a.names)


if __name__ == "__main__":
    sys.exit(main())
