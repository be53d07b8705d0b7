"""The flight recorder: a ring that becomes a dump when something happens, and is gone when not."""

import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest
from conftest import Run, clean_environment, until
from flights import app, calls, functions, names

import pyftrace as api

# ---- the command line ----------------------------------------------------------------------------


def test_when_nothing_happens_nothing_is_left(pyftrace: Run, tmp_path: Path):
    app(tmp_path, "serve(5)\nprint('done')\n")
    done = pyftrace("record", "--dump-on", "exception", "app.py")
    assert (done.returncode, done.stdout) == (0, "done\n")
    assert done.stderr == "pyftrace: no dump: nothing happened that --dump-on names\n"
    assert names(tmp_path) == ["app.py"]
    assert pyftrace("record", "-q", "--dump-on", "exception", "app.py").stderr == ""


def test_an_exception_that_ends_the_program(pyftrace: Run, tmp_path: Path):
    app(tmp_path, "serve(3)\nfail(4)\n")
    done = pyftrace("record", "--dump-on", "exception", "app.py")
    assert done.returncode == 1 and "ValueError: no 4" in done.stderr
    assert done.stderr.endswith(
        "pyftrace: 1 dump in pyftrace.data; to see the last: pyftrace replay\n"
    )
    assert names(tmp_path / "pyftrace.data") == ["dump-1", "run"]
    shown = pyftrace("replay").stdout.splitlines()
    assert shown[-4].startswith("Called fail:8")
    assert shown[-1].startswith("Raising fail-> ValueError: no 4")
    assert "dumped       ValueError: no 4 left fail" in pyftrace("info").stdout


def test_an_exception_of_the_script_itself(pyftrace: Run, tmp_path: Path):
    """No function of its own is left by it: what was called before is there."""
    app(tmp_path, "serve(3)\n{}['k']\n")
    pyftrace("record", "--dump-on", "exception", "app.py")
    assert calls(tmp_path / "pyftrace.data")["handle"] == 3
    assert "dumped       KeyError ended the program" in pyftrace("info").stdout


def test_exceptions_that_your_own_code_handles_are_none(pyftrace: Run, tmp_path: Path):
    app(
        tmp_path,
        "def careful(n):\n    try: fail(n)\n    except ValueError: return n\n"
        "for n in range(3): careful(n)\n"
        "def quits(): sys.exit(3)\nquits()\n",
    )
    done = pyftrace("record", "--dump-on", "exception", "app.py")
    assert done.returncode == 3 and names(tmp_path) == ["app.py"]


def test_an_exception_that_goes_into_a_library(pyftrace: Run, tmp_path: Path):
    """A server would log it and go on; so does a pool."""
    app(
        tmp_path,
        "from concurrent.futures import ThreadPoolExecutor\n"
        "def main():\n"
        "    with ThreadPoolExecutor(1) as pool:\n"
        "        assert pool.submit(fail, 1).exception()\n"
        "        pool.submit(serve, 4).result()\n"
        "main()\nprint('went on')\n",
    )
    done = pyftrace("record", "--dump-on", "exception", "app.py")
    assert (done.returncode, done.stdout) == (0, "went on\n")
    assert names(tmp_path / "pyftrace.data") == ["dump-1", "run"]
    assert functions(tmp_path / "pyftrace.data")[-4:] == [
        "start fail", "start query", "return query", "unwind fail",
    ]  # fmt: skip


def test_exceptions_of_one_type(pyftrace: Run, tmp_path: Path):
    app(
        tmp_path,
        "class Busy(Exception): pass\ndef busy(): raise Busy('b')\n"
        "for f in (busy, lambda: fail(1)):\n"
        "    try: f()\n    except Exception: pass\n",
    )
    for reason, dumped in {
        "exception:Busy": ["busy"],
        "exception:*Error": ["<lambda>"],
        "exception": ["busy", "<lambda>"],
        "exception:Nope*": [],
    }.items():
        pyftrace("record", "-q", "--dump-on", reason, "app.py")
        found = [
            functions(tmp_path / "pyftrace.data" / name)
            for name in names(tmp_path / "pyftrace.data")
            if name.startswith("dump")
        ]
        unwound = [[e.split()[1] for e in events if e.startswith("unwind")] for events in found]
        assert [each[-1] for each in unwound] == dumped, reason
        subprocess.run(["rm", "-rf", str(tmp_path / "pyftrace.data")], check=True)


def test_the_one_slow_call_of_ten_thousand(pyftrace: Run, tmp_path: Path):
    app(tmp_path, "serve(10_000)\n")
    done = pyftrace("record", "--ring", "1M", "--dump-on", "slow:handle:25ms", "app.py")
    assert "1 dump in pyftrace.data" in done.stderr
    events = list(api.open(tmp_path / "pyftrace.data").events())
    assert [f"{e.event} {e.function}" for e in events[-4:]] == [
        "start handle", "start query", "return query", "return handle",
    ]  # fmt: skip
    assert events[-1].t - events[-4].t > 25_000_000
    assert Counter(e.event for e in events) == {"start": 17, "return": 16}  # serve goes on


def test_a_slow_call_with_a_watched_one_within(pyftrace: Run, tmp_path: Path):
    """Its end comes so soon after the call before that it is a byte."""
    app(
        tmp_path,
        "def inner(): pass\n"
        "def outer(seconds):\n    time.sleep(seconds)\n    inner()\n    query(0)\n"
        "for seconds in (0, 0, 0.03): outer(seconds)\n",
    )
    reasons = ["--dump-on", "slow:inner:1s", "--dump-on", "slow:outer:25ms"]
    pyftrace("record", "-q", *reasons, "app.py")
    assert names(tmp_path / "pyftrace.data") == ["dump-1", "run"]
    assert functions(tmp_path / "pyftrace.data")[-2:] == ["return query", "return outer"]


def test_a_slow_coroutine_is_timed_from_its_start_to_its_end(pyftrace: Run, tmp_path: Path):
    app(
        tmp_path,
        "import asyncio\n"
        "async def answer(n):\n    await asyncio.sleep(0.001 if n else 0.04)\n    return query(n)\n"
        "async def main(): await asyncio.gather(*map(answer, range(3)))\n"
        "asyncio.run(main())\n",
    )
    pyftrace("record", "-q", "--dump-on", "slow:answer:30ms", "app.py")
    assert names(tmp_path / "pyftrace.data") == ["dump-1", "run"]
    assert functions(tmp_path / "pyftrace.data")[-1] == "return answer"
    assert "dumped       answer took 4" in pyftrace("info").stdout


def test_slow_through_every_way_out(pyftrace: Run, tmp_path: Path):
    """Recursion, an exception, values recorded; and other functions are not looked at."""
    app(
        tmp_path,
        "def down(n):\n    if n: return down(n - 1)\n    time.sleep(0.02)\n"
        "def late():\n    time.sleep(0.02)\n    raise KeyError('late')\n"
        "serve(9)\ndown(2)\n"
        "try: late()\nexcept KeyError: pass\n",
    )
    for more in ([], ["--values", "safe", "-a"]):
        pyftrace("record", "-q", *more, "--dump-on", "slow:[dl]*[ne]:10ms", "app.py")
        why = [
            api.open(tmp_path / "pyftrace.data" / name).dumped
            for name in names(tmp_path / "pyftrace.data")
            if name.startswith("dump")
        ]
        # The outer calls of down end with nothing called since.
        assert [text and text.split(" took ")[0] for text in why] == ["down", "late"]


def test_a_signal(pyftrace: Run, tmp_path: Path):
    app(
        tmp_path,
        "import os, signal\nserve(2)\nos.kill(os.getpid(), signal.SIGUSR1)\nserve(3)\n"
        "os.kill(os.getpid(), signal.SIGUSR1)\nserve(1)\n",
    )
    done = pyftrace("record", "--dump-on", "signal:usr1", "app.py")
    assert done.returncode == 0 and "2 dumps in pyftrace.data" in done.stderr
    counted = [calls(tmp_path / "pyftrace.data" / f"dump-{n}")["handle"] for n in (1, 2)]
    assert counted == [2, 3]
    shown = pyftrace("info").stdout.splitlines()
    assert [line.split("  ")[0] for line in shown[:2]] == ["dump-1", "dump-2"]
    assert all(line.endswith("signal USR1") for line in shown[:2])
    # Without a name the last is meant, and that is said.
    assert "this is pyftrace.data/dump-2" in pyftrace("replay").stderr


def test_so_many_dumps_and_no_more(pyftrace: Run, tmp_path: Path):
    app(tmp_path, "for n in range(9): serve(1)\n")
    done = pyftrace("record", "--dump-on", "slow:serve:0ns", "--max-dumps", "3", "app.py")
    assert names(tmp_path / "pyftrace.data") == ["dump-1", "dump-2", "dump-3", "run"]
    said = "3 dumps in pyftrace.data, and 6 more that could not be made (--max-dumps 3)"
    assert said in done.stderr


def test_dumps_and_ring_together_are_all_there_was(pyftrace: Run, tmp_path: Path):
    """Each event is in one of them, in order, at its depth; calls open at a dump go on."""
    app(
        tmp_path,
        "import threading\n"
        "def numbers(n):\n    for k in range(n): yield query(k)\n"
        "def outer(n):\n    for k in numbers(n): handle(0)\n"
        "made = [threading.Thread(target=outer, args=(40,)) for _ in range(3)]\n"
        "for t in made: t.start()\nfor t in made: t.join()\nouter(5)\n"
        "import os\nos._exit(0)\n",
    )
    words = ["--dump-on", "slow:handle:0ns", "--max-dumps", "500", "--ring", "256k"]
    pyftrace("record", *words, "app.py")
    found = Counter[tuple[str, str | None, int]]()
    data = tmp_path / "pyftrace.data"
    for name in names(data):
        if name != "run":
            recording = api.open(data / name)
            assert recording.damage == [] and recording.missing() == 0, name
            found += Counter((e.event, e.function, e.depth) for e in recording.events())
    pyftrace("record", "-o", "whole", "app.py")
    whole = Counter((e.event, e.function, e.depth) for e in api.open(tmp_path / "whole").events())
    assert found == whole and len(names(data)) == 125 + 2


def test_a_crash_leaves_the_ring(pyftrace: Run, tmp_path: Path):
    app(tmp_path, "import os\nserve(4)\ndef dies(): query(1); os.abort()\ndies()\n")
    done = pyftrace("record", "--dump-on", "exception", "app.py")
    assert done.returncode == -signal.SIGABRT
    (ring,) = [name for name in names(tmp_path / "pyftrace.data") if name != "run"]
    assert ring.startswith("ring.")
    assert functions(tmp_path / "pyftrace.data")[-3:] == [
        "start dies", "start query", "return query",
    ]  # fmt: skip
    assert "Called dies:13" in pyftrace("replay").stdout
    # The next run puts it away, and the one after that deletes it.
    for _ in range(2):
        pyftrace("record", "--dump-on", "exception", "app.py")
        assert names(tmp_path) == ["app.py", "pyftrace.data", "pyftrace.data.old"]


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_processes_have_rings_of_their_own(pyftrace: Run, tmp_path: Path, method: str):
    app(
        tmp_path,
        "import multiprocessing\n"
        "if __name__ == '__main__':\n"
        f"    context = multiprocessing.get_context('{method}')\n"
        "    for target in (serve, fail, serve):\n"
        "        p = context.Process(target=target, args=(3,))\n"
        "        p.start()\n        p.join()\n"
        "    print('done')\n",
    )
    done = pyftrace("record", "--dump-on", "exception", "app.py")
    assert (done.returncode, done.stdout) == (0, "done\n")
    assert names(tmp_path / "pyftrace.data") == ["dump-1", "run"]
    assert functions(tmp_path / "pyftrace.data")[-1] == "unwind fail"


def test_fork_and_exec(pyftrace: Run, tmp_path: Path):
    """A child that leaves by os._exit leaves its ring, which is said; what a process was before
    exec is no crash."""
    app(
        tmp_path,
        "import os\n"
        "if len(sys.argv) == 1:\n"
        "    serve(2)\n    os.execv(sys.executable, [sys.executable, __file__, 'again'])\n"
        "serve(3)\n"
        "pid = os.fork()\n"
        "if not pid:\n    serve(1)\n    os._exit(0)\n"
        "os.waitpid(pid, 0)\n",
    )
    done = pyftrace("record", "--dump-on", "exception", "app.py")
    (ring,) = [name for name in names(tmp_path / "pyftrace.data") if name != "run"]
    assert done.stderr == (
        "pyftrace: no dump; 1 process left without an end, and its ring: pyftrace info\n"
    )
    assert calls(tmp_path / "pyftrace.data" / ring)["handle"] == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--dump-on", "exeption"], "'exeption' is none of exception, exception:GLOB, signal:NAME"),
        (["--dump-on", "slow:f"], "'slow:f' is no slow:FUNC:TIME, as slow:handle:200ms"),
        (["--dump-on", "slow:f:fast"], "'fast' is no time"),
        (["--dump-on", "slow:f[:1s"], "bad pattern 'f['"),
        (["--dump-on", "signal:NOPE"], "'NOPE' is no signal; USR1 is"),
        (["--dump-on", "signal:KILL"], "SIGKILL cannot be waited for; after a crash the ring is"),
        (["--dump-on", "signal:IOT"], "SIGIOT cannot be waited for; after a crash the ring is"),
        (["--dump-on", "signal:SEGV"], "SIGSEGV cannot be waited for; after a crash the ring is"),
        (["--dump-on", "exception:"], "'exception:' names no type"),
        (["--max-dumps", "3"], "--max-dumps goes with --dump-on"),
        (["--dump-on", "exception", "--max-size", "1G"], "--max-size does not go with --dump-on"),
    ],
)
def test_mistakes_are_one_line(pyftrace: Run, words: list[str], said: str):
    done = pyftrace("record", *words, "-c", "print(1)")
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr and done.stderr.count("\n") == 1


def test_a_misspelt_function_is_said(pyftrace: Run, tmp_path: Path):
    app(tmp_path, "serve(1)\n")
    done = pyftrace("record", "--dump-on", "slow:handel:1s", "app.py")
    assert "warning: nothing matched 'handel'" in done.stderr


def test_what_is_not_ours_is_not_deleted(pyftrace: Run, tmp_path: Path):
    app(tmp_path, "serve(1)\nfail(1)\n")
    for _ in range(2):
        pyftrace("record", "--dump-on", "exception", "app.py")
    (tmp_path / "pyftrace.data.old" / "dump-1" / "notes.txt").write_text("mine")
    done = pyftrace("record", "--dump-on", "exception", "app.py")
    assert done.returncode == 2 and "holds more than a recording (notes.txt)" in done.stderr
    assert names(tmp_path / "pyftrace.data.old") == ["dump-1", "run"]


SPAWNS = {
    "subprocess": "import subprocess\nsubprocess.run([sys.executable, '-c', 'print(1)'])\n",
    "pool": (
        "from multiprocessing import get_context\n"
        "with get_context('fork').Pool(2) as pool: print(sum(pool.map(query, range(3))))\n"
    ),
    "fork": "import os\nif not os.fork(): serve(2); sys.exit()\nos.wait()\n",
}


@pytest.mark.parametrize("more", [[], ["--no-children"]])
@pytest.mark.parametrize("spawn", SPAWNS)
def test_children_leave_nothing_and_say_nothing(
    pyftrace: Run, tmp_path: Path, spawn: str, more: list[str]
):
    app(tmp_path, f"query(1)\n{SPAWNS[spawn]}fail(1)\n")
    done = pyftrace("record", *more, "--dump-on", "exception", "app.py")
    assert done.returncode == 1
    assert [line for line in done.stderr.splitlines() if line.startswith("pyftrace: ")] == [
        "pyftrace: 1 dump in pyftrace.data; to see the last: pyftrace replay"
    ]
    assert names(tmp_path / "pyftrace.data") == ["dump-1", "run"]
    assert functions(tmp_path / "pyftrace.data")[-1] == "unwind fail"


@pytest.mark.parametrize(
    "last",
    [
        "def hook(*of): query(1)\nsys.excepthook = hook\n",
        "import atexit\natexit.register(serve, 2)\n",
    ],
)
def test_an_exception_is_dumped_once(pyftrace: Run, tmp_path: Path, last: str):
    """What runs after it, of the program, is not what happened before it."""
    app(tmp_path, last + "fail(1)\n")
    pyftrace("record", "-q", "--dump-on", "exception", "app.py")
    assert names(tmp_path / "pyftrace.data") == ["dump-1", "run"]
    assert functions(tmp_path / "pyftrace.data")[-1] == "unwind fail"


def test_signals_do_what_they_do_untraced(pyftrace: Run, tmp_path: Path):
    app(tmp_path, "import os, signal\nserve(1)\nos.kill(os.getpid(), signal.SIGTERM)\n")
    done = pyftrace("record", "--dump-on", "signal:TERM", "app.py")
    assert done.returncode == -signal.SIGTERM
    assert api.open(tmp_path / "pyftrace.data").dumped == "signal TERM"
    app(
        tmp_path,
        "import os, signal\nserve(1)\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(9)\n",
    )
    done = pyftrace("record", "--dump-on", "signal:INT", "app.py")
    assert done.returncode == -signal.SIGINT and "KeyboardInterrupt" in done.stderr
    assert api.open(tmp_path / "pyftrace.data").dumped == "signal INT"


@pytest.mark.parametrize("name", ["USR1", "WINCH", "CONT"])
def test_a_signal_that_ends_nothing_dumps_each_time(
    name: str, tmp_path: Path, nothing_left_on: None
):
    number = signal.Signals[f"SIG{name}"]
    before = signal.getsignal(number)
    reasons = [f"signal:{name}", f"signal:sig{name}"]  # the same one
    with api.record(tmp_path / "data", dump_on=reasons):
        for n in range(3):
            work(n)
            os.kill(os.getpid(), number)
    assert names(tmp_path / "data")[:3] == ["dump-1", "dump-2", "dump-3"]
    assert signal.getsignal(number) is before


def test_recorders_may_end_in_any_order(tmp_path: Path, nothing_left_on: None):
    seen = []
    before = signal.signal(signal.SIGUSR1, lambda *_: seen.append("the program's own"))
    try:
        first, second = (
            api.record(tmp_path / name, dump_on="signal:USR1") for name in ("first", "second")
        )
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        work(1)
        os.kill(os.getpid(), signal.SIGUSR1)
        second.__exit__(None, None, None)
        os.kill(os.getpid(), signal.SIGUSR1)
    finally:
        own = signal.signal(signal.SIGUSR1, before)
    assert seen == ["the program's own"] * 2
    assert getattr(own, "__name__", "") == "<lambda>"
    assert (names(tmp_path / "first"), names(tmp_path / "second")[:1]) == ([], ["dump-1"])


def test_no_room_for_a_new_ring(pyftrace: Run, tmp_path: Path):
    """The reason is refused, and recording goes on: what fails is told once, at the end."""
    if os.statvfs(tmp_path).f_bavail * os.statvfs(tmp_path).f_frsize > 1 << 45:
        pytest.skip("more room than a ring may have")
    app(tmp_path, "import os\nserve(1)\n")
    done = pyftrace("record", "--ring", "900T", "--dump-on", "slow:serve:0ns", "app.py")
    assert done.returncode == 0 and "the recording stopped: " in done.stderr


def test_the_working_directory_is_gone(pyftrace: Run, tmp_path: Path):
    app(tmp_path, "import os\nos.mkdir('sub')\nos.chdir('sub')\nos.rmdir('../sub')\nfail(1)\n")
    done = pyftrace("record", "--dump-on", "exception", "app.py")
    assert done.stderr.count("Traceback") == 1 and "1 dump in " in done.stderr


# ---- in Python -----------------------------------------------------------------------------------


def work(n: int) -> int:
    return n + 1


def breaks(n: int) -> None:
    raise LookupError(f"nothing at {work(n)}")


def test_a_block(tmp_path: Path, nothing_left_on: None):
    data = tmp_path / "data"
    with api.record(data, dump_on="exception") as recorder:
        work(1)
        assert recorder.dump("to see") == str(data / "dump-1")
        assert recorder.dump() is None  # nothing was called since
        work(2)
    assert names(data) == ["dump-1", "run"]
    assert api.open(data).dumped == "to see"
    assert calls(data) == {"work": 1}


def test_a_block_without_a_reason_leaves_nothing(tmp_path: Path, nothing_left_on: None):
    for _ in range(3):
        with api.record(tmp_path / "data", dump_on=["exception", "slow:work:10s"]):
            work(1)
        assert names(tmp_path) == []


def test_an_exception_that_ends_a_block(tmp_path: Path, nothing_left_on: None):
    with (
        pytest.raises(LookupError),
        api.record(tmp_path / "data", dump_on=["exception:LookupError"], values="safe"),
    ):
        breaks(4)
    assert names(tmp_path / "data") == ["dump-1", "run"]
    with pytest.raises(ZeroDivisionError), api.record(tmp_path / "data", dump_on="exception"):
        work(1)
        1 / 0  # noqa: B018
    assert api.open(tmp_path / "data").dumped == "ZeroDivisionError ended the block"


def test_a_signals_handler_is_given_back(tmp_path: Path, nothing_left_on: None):
    before = signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    try:
        with api.record(tmp_path / "data", dump_on="signal:USR2", ring="1M"):
            work(1)
            os.kill(os.getpid(), signal.SIGUSR2)
            until((tmp_path / "data" / "dump-1" / "run").exists)
        assert signal.getsignal(signal.SIGUSR2) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGUSR2, before)


def test_a_handler_set_meanwhile_stays(tmp_path: Path, nothing_left_on: None):
    got: list[int] = []

    def mine(number: int, frame: object) -> None:
        got.append(number)

    before = signal.signal(signal.SIGUSR2, mine)
    try:
        with api.record(tmp_path / "data", dump_on="signal:USR2", ring="1M"):
            work(1)
            os.kill(os.getpid(), signal.SIGUSR2)  # ours, which hands on
            until(lambda: bool(got))
            assert (tmp_path / "data" / "dump-1" / "run").exists()
            signal.signal(signal.SIGUSR2, signal.SIG_IGN)
        assert signal.getsignal(signal.SIGUSR2) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGUSR2, before)


def test_signals_are_the_main_threads(tmp_path: Path, nothing_left_on: None):
    found: list[str] = []

    def elsewhere() -> None:
        try:
            with api.record(tmp_path / "data", dump_on="signal:USR2"):
                pass
        except ValueError as error:
            found.append(str(error))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert found == ["a signal can be watched in the main thread only"]
    assert names(tmp_path) == []


def test_two_at_a_time_do_not_meet(tmp_path: Path, nothing_left_on: None):
    with api.record(tmp_path / "data", dump_on="exception") as first:
        work(1)
        second = api.record(tmp_path / "data", dump_on="exception")
        with pytest.warns(RuntimeWarning, match="this one goes to"), second:
            work(2)
            second_dump = second.dump()
        first_dump = first.dump()
    assert second_dump is not None and first_dump is not None
    assert os.path.dirname(second_dump) == f"{tmp_path / 'data'}.{os.getpid()}"
    assert calls(Path(second_dump)) == {"work": 1}
    assert calls(Path(first_dump)) == {"work": 2}


def test_a_decorated_function(tmp_path: Path):
    """The ring goes with the process."""
    code = (
        f"import pyftrace\n@pyftrace.record({str(tmp_path / 'data')!r}, dump_on='slow:f:0ns')\n"
        "def f(n): return n\nfor n in range(3): f(n)\n"
    )
    words = [sys.executable, "-c", code]
    subprocess.run(words, env=clean_environment(), cwd=tmp_path, check=True)
    assert names(tmp_path / "data") == ["dump-1", "dump-2", "dump-3", "run"]


def test_dump_needs_a_flight_recorder(tmp_path: Path, nothing_left_on: None):
    with api.record(tmp_path / "data") as plain, pytest.raises(RuntimeError, match="dump_on"):
        plain.dump()
