"""A lone report or recording goes a shorter way through the engine; what it keeps must not differ
when that way begins, ends or is left in the middle of calls."""

import asyncio
import collections
import contextlib
import subprocess
import sys
import sysconfig
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import pyftrace


def names(path: Path) -> list[str]:
    return [f"{e.event} {e.function}" for e in pyftrace.open(path).events()]


def leaf(n):
    return n


def down(n, bottom: Callable[[], object]):
    """`n` calls deep, then what stands at the bottom, then a leaf on each way up."""
    if n == 0:
        bottom()
    else:
        down(n - 1, bottom)
    leaf(n)


def fails():
    raise ValueError(1)


@pytest.fixture
def where(tmp_path: Path, nothing_left_on) -> Path:
    return tmp_path / "run.data"


DOWN_AND_UP = [
    "start down",
    "start down",
    "start leaf",
    "return leaf",
    "return down",
    "start leaf",
    "return leaf",
    "return down",
]


def test_a_second_tap_begins_and_ends_inside_calls(where: Path):
    other = pyftrace.report()

    def bottom():
        with other:
            leaf(-1)

    with pyftrace.record(where, only=[__name__]):
        down(1, bottom)
    seen = [name for name in names(where) if "bottom" not in name]
    inner = seen.index("start leaf")
    assert seen[:inner] + seen[inner + 2 :] == DOWN_AND_UP
    assert other.calls("leaf") == 1


def test_it_ends_inside_calls_and_what_is_open_stays_unfinished(where: Path):
    with contextlib.ExitStack() as stack:
        stack.enter_context(pyftrace.record(where))
        down(3, stack.close)
    assert names(where)[:4] == ["start down"] * 4
    assert "return down" not in names(where)


def test_it_begins_inside_calls(where: Path):
    stack = contextlib.ExitStack()
    down(3, lambda: stack.enter_context(pyftrace.record(where)))
    stack.close()
    seen = names(where)
    assert seen.count("start leaf") == seen.count("return leaf") == 4
    assert "return down" not in seen


def test_exceptions_leave_it_and_come_back(where: Path):
    def bottom():
        for _ in range(3):
            with contextlib.suppress(ValueError):
                fails()
            leaf(0)

    with pyftrace.record(where, only=[__name__]), pyftrace.report(only=[__name__]) as r:
        down(2, bottom)
    with pyftrace.record(where.with_name("alone.data"), only=[__name__]):
        down(2, bottom)
    assert names(where) == names(where.with_name("alone.data"))
    assert names(where).count("unwind fails") == 3
    assert r.calls("leaf") == 6


def numbers(n):
    for i in range(n):
        got = yield i
        leaf(len(str(got)))
    return n


def delegates(n):
    return (yield from numbers(n))


async def waits(n):
    for _ in range(n):
        await asyncio.sleep(0)
        leaf(n)
    return [i async for i in agen(n)]


async def agen(n):
    for i in range(n):
        yield await inner(i)


async def inner(i):
    return i


def recursive(n):
    yield n
    if n:
        yield from recursive(n - 1)


def many_runs():
    """Generators and coroutines in all their turns; C calls, also those that raise."""
    for gen in numbers, delegates:
        kept = [gen(n) for n in range(90)]
        for g in kept:
            with contextlib.suppress(StopIteration):
                g.send(None)
                g.send("sent")
        for g in kept[:30]:
            g.close()
        for g in kept[30:60]:
            with contextlib.suppress(ValueError):
                g.throw(ValueError("in"))
        del g, kept
    with contextlib.suppress(ValueError):
        list(map(int, ["1", "x"]))
    list(recursive(20))

    async def main():
        await asyncio.gather(*(waits(n) for n in range(4)))
        await waits(2)
        task = asyncio.create_task(waits(1000))
        await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    asyncio.run(main())
    sorted([3, 1, 2], key=leaf)


def told(path: Path):
    """What must be the same whichever way it went; runs and tasks in order of first sight."""
    runs: dict[int | None, int] = {None: 0}
    tasks: dict[str | None, int] = {None: 0}
    return [
        (e.event, e.function, e.depth, e.thread, e.exception,
         tasks.setdefault(e.task, len(tasks)), runs.setdefault(e.activation, len(runs)))
        for e in pyftrace.open(path).events()
    ]  # fmt: skip


@pytest.mark.parametrize("scope", [{}, {"builtins": "all", "libs": "all"}])
def test_runs_and_c_calls_are_told_as_by_the_long_way(where: Path, scope):
    many_runs()  # what is imported or made once
    with pyftrace.record(where, **scope):
        many_runs()
    beside = where.with_name("beside.data")
    with pyftrace.record(beside, **scope), pyftrace.report(only=["nothing"]):
        many_runs()
    alone, both = told(where), told(beside)
    alone = alone[: len(alone) - [e[0] for e in alone[::-1]].index("return")]
    assert len(alone) > 2000
    unlike = [pair for pair in zip(alone, both, strict=False) if pair[0] != pair[1]]
    assert unlike[:3] == []


@pytest.mark.parametrize("inside", [numbers, delegates])
def test_another_tap_comes_and_goes_while_generators_are_suspended(where: Path, inside):
    def drive(*between: Callable[[], object]):
        g = inside(3)
        for turn in range(3):
            g.send(turn or None)
            for act in between:
                act()
        with contextlib.suppress(StopIteration):
            g.send("last")

    with pyftrace.record(where):
        drive(lambda: leaf(0))
    beside = where.with_name("beside.data")
    with pyftrace.record(beside), contextlib.ExitStack() as stack:
        drive(lambda: stack.enter_context(pyftrace.report()), lambda: leaf(0), stack.close)
    alone, both = (
        [e for e in told(p) if e[1] in ("numbers", "delegates", "leaf")] for p in (where, beside)
    )
    assert alone == both
    assert len(alone) > 14


def test_what_a_task_calls_belongs_to_it(where: Path):
    async def work(n):
        for _ in range(n):
            leaf(n)
            await asyncio.sleep(0)

    async def main():
        await asyncio.gather(*(asyncio.create_task(work(n), name=f"w{n}") for n in (1, 2, 3)))
        leaf(0)

    with pyftrace.record(where):
        asyncio.run(main())
        leaf(9)
    tasks = [(e.task, e.event) for e in pyftrace.open(where).events() if e.function == "leaf"]
    starts = [task for task, event in tasks if event == "start"]
    assert sorted(starts[:-2]) == ["w1", "w2", "w2", "w3", "w3", "w3"]
    assert starts[-2] not in ("w1", "w2", "w3", None) and starts[-1] is None


def test_a_task_begun_by_code_that_is_not_kept_is_told_with_its_first_call(where: Path):
    async def hidden():
        leaf(1)
        leaf(2)

    with pyftrace.record(where, function=["leaf"]):
        asyncio.run(hidden())
    tasks = [event.task for event in pyftrace.open(where).events()]
    assert len(tasks) == 4 and None not in tasks


def test_threads_go_it_side_by_side(where: Path):
    def work():
        for n in range(200):
            down(3, lambda: None)
            with contextlib.suppress(ValueError):
                fails()
            leaf(n)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with pyftrace.record(where, threads="all"):
            workers = [threading.Thread(target=work) for _ in range(4)]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
    finally:
        sys.setswitchinterval(before)
    report = pyftrace.open(where).report()
    assert report.calls("down") == 4 * 200 * 4
    assert report.calls("leaf") == 4 * 200 * 5
    assert report.calls("fails") == 4 * 200


def test_open_calls_stand_at_the_head_of_every_segment(where: Path):
    """A long recording from within deep calls, read from its middle on."""

    def bottom():
        for n in range(400_000):
            leaf(n)

    with pyftrace.record(where, only=[__name__]):
        down(5, bottom)
    trace = pyftrace.open(where)
    assert trace.info["events"] > 800_000
    middle = collections.deque(trace.events(), maxlen=1)[0].t // 2
    first = next(iter(trace.events(since=middle)))
    assert (first.function, first.depth) == ("leaf", 7)
    report = trace.report(since=middle)
    assert {row.function for row in report.rows} >= {"down", "leaf"}


CALLBACK_MODULE = r"""
#include <Python.h>
#include <pthread.h>

static PyObject *callee;

/* A thread that CPython did not start: each of its calls has a thread state of its own. */
static void *
thread(void *arg)
{
    for (long i = 0; i < (long)arg; i++) {
        PyGILState_STATE state = PyGILState_Ensure();
        PyObject *r = PyObject_CallFunction(callee, "l", i);
        if (r == NULL) {
            PyErr_WriteUnraisable(callee);
        }
        Py_XDECREF(r);
        PyGILState_Release(state);
    }
    return NULL;
}

static PyObject *
run(PyObject *Py_UNUSED(self), PyObject *args)
{
    long times, threads;
    pthread_t ids[8];
    if (!PyArg_ParseTuple(args, "Oll", &callee, &times, &threads)) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    for (long i = 0; i < threads && i < 8; i++) {
        pthread_create(&ids[i], NULL, thread, (void *)times);
    }
    for (long i = 0; i < threads && i < 8; i++) {
        pthread_join(ids[i], NULL);
    }
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {{"run", run, METH_VARARGS, NULL}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, .m_name = "foreign", .m_size = -1, .m_methods = methods,
};

PyMODINIT_FUNC
PyInit_foreign(void)
{
    PyObject *m = PyModule_Create(&module);
#ifdef Py_GIL_DISABLED
    PyUnstable_Module_SetGIL(m, Py_MOD_GIL_NOT_USED);
#endif
    return m;
}
"""


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a module `foreign`, whose run() calls back from threads of its own."""
    folder = tmp_path_factory.mktemp("foreign")
    (folder / "foreign.c").write_text(CALLBACK_MODULE)
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    done = subprocess.run(
        [*(sysconfig.get_config_var("CC") or "cc").split(), "-shared", "-fPIC", "-w",
         "-I", sysconfig.get_path("include"), "foreign.c", "-o", f"foreign{suffix}"],
        cwd=folder, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode != 0:
        pytest.skip("no C compiler")
    return folder


@pytest.mark.parametrize("mode", [["--report", "--format", "csv"], ["record", "-q"]])
def test_thread_states_that_come_and_go(foreign: Path, tmp_path: Path, mode: list[str], python):
    program = tmp_path / "app.py"
    program.write_text(
        textwrap.dedent(
            f"""
            import sys
            sys.path.insert(0, {str(foreign)!r})
            import foreign

            class Loud:
                def __del__(self):
                    deeper(self)

            def deeper(x):
                return x

            def called(n):
                # lives until the thread state goes, in its context or its locals
                local.x = Loud()
                deeper(n)
                if n % 3 == 0:
                    try:
                        raise ValueError(n)
                    except ValueError:
                        deeper(n)

            import threading
            local = threading.local()
            foreign.run(called, 300, 3)
            print("fine")
            """
        )
    )
    out = tmp_path / "out"
    done = python("-m", "pyftrace", *mode, "-o", str(out), str(program), cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "fine\n", "")
    if mode[0] == "record":
        rows = {row.function: row for row in pyftrace.open(out).report().rows}
        assert rows["called"].calls == 900
        assert rows["deeper"].calls == 900 + 300 + rows["Loud.__del__"].calls
    else:
        lines = out.read_text().splitlines()
        assert any(line.startswith("called,") and ",900," in line for line in lines), lines


def test_another_tool_hangs_its_own_things_on_code_objects(python):
    done = python(
        "-c",
        """if True:
        import ctypes
        request = ctypes.pythonapi.PyUnstable_Eval_RequestCodeExtraIndex
        request.restype, request.argtypes = ctypes.c_ssize_t, [ctypes.c_void_p]
        put = ctypes.pythonapi.PyUnstable_Code_SetExtra
        put.argtypes = [ctypes.py_object, ctypes.c_ssize_t, ctypes.c_void_p]
        def h(): pass
        put(h.__code__, request(None), 1)  # a mark, no address
        import pyftrace, sys
        with pyftrace.trace(include="*"): h()
        with pyftrace.report(include="*") as r: h(); h()
        print(r.calls("h"))
        """,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "2"


def test_a_sub_interpreter_on_the_same_thread_leaves_its_calls_alone(python, tmp_path: Path):
    (tmp_path / "app.py").write_text(
        textwrap.dedent(
            """
            try:
                import _interpreters as interpreters
                run = interpreters.exec
            except ImportError:
                import _xxsubinterpreters as interpreters
                run = interpreters.run_string

            def leaf(): pass

            def f():
                leaf()
                inner = interpreters.create()
                leaf()
                run(inner, "import textwrap; textwrap.dedent('x')")
                leaf()
                interpreters.destroy(inner)

            def g():
                f()
                leaf()

            g(); g()
            """
        )
    )
    assert python("-m", "pyftrace", "record", "-q", "app.py").returncode == 0
    calls = [
        (event.function, event.depth)
        for event in pyftrace.open(tmp_path / "pyftrace.data").events(thread=1)
        if event.event == "start"
    ]
    assert calls == [("g", 0), ("f", 1), *[("leaf", 2)] * 3, ("leaf", 1)] * 2


def test_a_value_that_stops_the_trace_while_it_is_shown(python, tmp_path: Path):
    (tmp_path / "app.py").write_text(
        "import pyftrace\n"
        "class Stops:\n    def __str__(self): pyftrace.stop(); return 'S'\n"
        "def f(x): return x\n"
        "pyftrace.start(args=True, values='str', file='out')\n"
        "f(Stops()); f(Stops())\nprint('fine')\n"
    )
    done = python("app.py")
    assert (done.returncode, done.stdout, done.stderr) == (0, "fine\n", "")


def test_a_tap_that_goes_keeps_the_exception_in_flight():
    with pytest.raises(TypeError, match="int"):
        int(pyftrace.report(include="*").__enter__())
    pyftrace.stop()


def test_a_task_that_only_the_earlier_tap_was_told_of(where: Path):
    first, second = pyftrace.record(where), pyftrace.record(where.with_name("second.data"))

    async def main():
        leaf(1)
        second.__enter__()
        first.__exit__(None, None, None)
        leaf(2)
        second.__exit__(None, None, None)

    first.__enter__()
    leaf(0)
    asyncio.run(main())
    events = list(pyftrace.open(where.with_name("second.data")).events())
    assert [event.task is None for event in events if event.function == "leaf"] == [False, False]


NO_FRAME = """\
import _thread, sys
from collections import deque
from itertools import chain

def down(n):
    return n and down(n - 1)

def callback(event):
    for tool in range(6):
        if sys.monitoring.get_tool(tool) == "pyftrace":
            ours = sys.monitoring.register_callback(tool, event, None)
            sys.monitoring.register_callback(tool, event, ours)
            return ours

def rest(_):
    down(100)
    done.release()

left = callback(sys.monitoring.events.PY_RETURN)
done = _thread.allocate_lock()
done.acquire()
told = map(left, [down.__code__] * 3, [0] * 3, [None] * 3)
_thread.start_new_thread(deque, (chain(told, map(rest, [1])), 0))
done.acquire()
print("fine")
"""


@pytest.mark.parametrize("mode", ["--report -q", "-q", "record -q -o run.data"])
def test_what_is_left_on_a_thread_that_runs_no_python(mode: str, python, tmp_path: Path):
    """As C code fires events, of Cython say; a map() within C has no frame below it either."""
    (tmp_path / "app.py").write_text(NO_FRAME)
    done = python("app.py", env={"PYFTRACE": mode})
    assert (done.returncode, done.stderr) == (0, "")
    assert "fine" in done.stdout


@pytest.mark.skipif(sys.version_info < (3, 13), reason="C code cannot fire events before 3.13")
@pytest.mark.parametrize("mode", ["--report -q", "-q", "record -q -o run.data"])
def test_events_that_c_code_fires_for_what_is_no_code(mode: str, python, tmp_path: Path):
    pytest.importorskip("_testcapi")
    (tmp_path / "app.py").write_text(
        "import sys, _testcapi\n"
        "like, py_start = _testcapi.CodeLike(1), 0\n"
        "assert sys.monitoring.events.PY_START == 1 << py_start\n"
        "_testcapi.monitoring_enter_scope(like, py_start)\n"
        "_testcapi.fire_event_py_start(like, 0)\n"
        "_testcapi.monitoring_exit_scope(like)\n"
        "print('fine')\n"
    )
    done = python("app.py", env={"PYFTRACE": mode})
    assert (done.returncode, done.stderr) == (0, "")
    assert "fine" in done.stdout
