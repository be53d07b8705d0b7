"""pyftrace.trace, report, start and stop, as a program or a notebook uses them."""

import asyncio
import functools
import inspect
import io
import json
import pickle
import re
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from conftest import Run

import pyftrace
from pyftrace import _engine

pytestmark = pytest.mark.usefixtures("nothing_left_on")


def double(x):
    """Twice x."""
    return 2 * x


def quad(x):
    return double(double(x))


def lines(text: str) -> list[str]:
    """Without lines' numbers and files, which move as this file is edited."""
    text = re.sub(r":\d+", "", text)
    return re.sub(r" from (line \d+|\S+\.py)", "", text).splitlines()


TREE_OF_QUAD = [
    "Called quad",
    "    Called double",
    "    Returning double-> 2",
    "    Called double",
    "    Returning double-> 4",
    "Returning quad-> 4",
]


def test_wrapper_prints_the_tree_of_each_call(capsys):
    traced = pyftrace.trace(quad)
    assert traced(1) == 4
    assert lines(capsys.readouterr().out) == TREE_OF_QUAD
    quad(1)
    assert capsys.readouterr().out == ""
    traced(1)
    assert lines(capsys.readouterr().out) == TREE_OF_QUAD


def test_wrapper_keeps_name_docstring_and_signature():
    traced = pyftrace.trace(double)
    assert (traced.__name__, traced.__doc__) == ("double", "Twice x.")
    assert inspect.signature(traced) == inspect.signature(double)
    assert traced.__wrapped__ is double


def test_decorated_recursion_is_one_tree(capsys):
    @pyftrace.trace
    def fact(n):
        return 1 if n < 2 else n * fact(n - 1)

    fact(3)
    shown = [
        line.replace("test_decorated_recursion_is_one_tree.<locals>.", "")
        for line in lines(capsys.readouterr().out)
    ]
    assert shown == [
        "Called fact",
        "    Called fact",
        "        Called fact",
        "        Returning fact-> 1",
        "    Returning fact-> 2",
        "Returning fact-> 6",
    ]


def test_two_decorated_functions_with_equal_options_are_one_tree(capsys):
    inner = pyftrace.trace(double)

    def outer(x):
        return inner(x)

    pyftrace.trace(outer)(1)
    assert [line.count("double") for line in lines(capsys.readouterr().out)] == [0, 1, 1, 0]


def test_decorator_with_options(capsys):
    @pyftrace.trace(args=True, depth=1)
    def f(a, *rest, key=1, **more):
        return quad(a)

    f(1, 2, 3, key=4, other=5)
    out = capsys.readouterr().out
    assert "(a=1, *rest=(2, 3), key=4, **more={'other': 5})" in out
    assert len(out.splitlines()) == 2


def test_methods_static_and_class_methods(capsys):
    class A:
        @pyftrace.trace
        def m(self):
            return 1

        @pyftrace.trace
        @staticmethod
        def s():
            return 2

        @classmethod
        @pyftrace.trace
        def c(cls):
            return 3

    assert (A().m(), A.s(), A().s(), A.c(), pyftrace.trace(A().m)()) == (1, 2, 2, 3, 1)
    assert capsys.readouterr().out.count("Called") == 5


def test_a_library_function_is_user_code_when_given_to_trace(capsys):
    import json

    pyftrace.trace(json.dumps, depth=2)([1])
    out = lines(capsys.readouterr().out)
    assert out[0] == "Called dumps"
    assert out[-1] == "Returning dumps-> '[1]'"
    assert any("JSONEncoder.encode" in line for line in out)


def test_partials_and_callable_instances(capsys):
    class Callable:
        def __call__(self):
            return double(1)

    assert pyftrace.trace(functools.partial(double, 3))() == 6
    assert pyftrace.trace(Callable())() == 2
    assert capsys.readouterr().out.count("Returning double") == 2


def test_generators_keep_their_nature(capsys):
    @pyftrace.trace
    def gen(n):
        got = []
        try:
            for i in range(n):
                got.append((yield double(i)))
        finally:
            double(-1)
        return got

    assert inspect.isgeneratorfunction(gen)

    def drive():
        result = yield from gen(2)
        return result

    g = drive()
    assert next(g) == 0
    double(100)  # between two steps: not its own
    assert g.send("a") == 2
    with pytest.raises(StopIteration) as stop:
        g.send("b")
    assert stop.value.value == ["a", "b"]
    out = capsys.readouterr().out
    assert "200" not in out
    assert out.count("Yielding") == 2 and out.count("Resuming") == 2

    h = gen(2)
    next(h)
    with pytest.raises(KeyError):
        h.throw(KeyError("k"))
    assert "Raising" in capsys.readouterr().out
    i = gen(2)
    next(i)
    i.close()
    assert "Raising" in capsys.readouterr().out


def test_coroutines_see_their_own_task_only(capsys):
    @pyftrace.trace
    async def mine(n):
        for i in range(n):
            double(i)
            await asyncio.sleep(0)
        return "done"

    async def other():
        for _ in range(5):
            double(1000)
            await asyncio.sleep(0)

    async def main():
        return (await asyncio.gather(mine(3), other()))[0]

    assert inspect.iscoroutinefunction(mine)
    assert asyncio.run(main()) == "done"
    out = capsys.readouterr().out
    assert "2000" not in out
    assert out.count("Suspending") == 3
    assert out.count("Called double") == 3


def test_coroutine_that_raises(capsys):
    @pyftrace.trace
    async def bad():
        await asyncio.sleep(0)
        raise ValueError("bad")

    with pytest.raises(ValueError, match="bad"):
        asyncio.run(bad())
    assert "Raising" in capsys.readouterr().out


def test_two_tasks_in_one_decorated_coroutine_are_told_apart(capsys):
    @pyftrace.trace
    async def work(name):
        await asyncio.sleep(0)
        return name

    async def main():
        await asyncio.gather(
            asyncio.create_task(work("a"), name="A"), asyncio.create_task(work("b"), name="B")
        )

    asyncio.run(main())
    out = capsys.readouterr().out
    assert "[B] Called" in out
    assert "[A] Returning" in out


def test_async_generators(capsys):
    @pyftrace.trace
    async def agen(n):
        got = []
        for i in range(n):
            await asyncio.sleep(0)
            got.append((yield i))
        got.clear()

    async def main():
        assert [x async for x in agen(3)] == [0, 1, 2]
        a = agen(2)
        assert await a.asend(None) == 0
        assert await a.asend("x") == 1
        with pytest.raises(KeyError):
            await a.athrow(KeyError("k"))
        b = agen(2)
        await b.__anext__()
        await b.aclose()

    assert inspect.isasyncgenfunction(agen)
    asyncio.run(main())
    out = capsys.readouterr().out
    assert out.count("Yielding") == 6
    assert "Yielding" in out and "-> 2" in out


def test_with_block_sees_the_calling_thread_alone(capsys):
    with ThreadPoolExecutor(1) as pool, pyftrace.trace():
        quad(1)
        pool.submit(double, 100).result()
    assert lines(capsys.readouterr().out) == TREE_OF_QUAD


def test_with_block_on_all_threads(capsys):
    thread = threading.Thread(target=double, args=(7,), name="worker-1")
    with pyftrace.trace(threads="all"):
        double(1)
        thread.start()
        thread.join()
        double(2)
    out = lines(capsys.readouterr().out)
    assert out == [
        "Called double",
        "Returning double-> 2",
        "[worker-1] Called double",
        "[worker-1] Returning double-> 14",
        "[MainThread] Called double",
        "[MainThread] Returning double-> 4",
    ]


def test_a_thread_already_running_is_seen(capsys):
    go, done = threading.Event(), threading.Event()

    def waits():
        go.wait()
        double(5)
        done.set()

    thread = threading.Thread(target=waits)
    thread.start()
    with pyftrace.trace(threads="all"):
        go.set()
        done.wait()
    thread.join()
    assert "Returning double-> 10" in capsys.readouterr().out


def test_a_tap_can_watch_all_threads_but_some():
    go = threading.Event()

    def waits(x):
        go.wait()
        double(x)

    left_out, running = (threading.Thread(target=waits, args=(x,)) for x in (5, 6))
    left_out.start()
    running.start()
    out = io.StringIO()
    tap = _engine.Tap("text", stream=out)
    tap.watch_others((threading.get_native_id(), left_out.native_id or 0))
    double(1)
    go.set()
    started = threading.Thread(target=double, args=(7,))
    started.start()
    for thread in (left_out, running, started):
        thread.join()
    tap.enter()
    double(8)
    tap.leave()
    double(9)
    with pytest.raises(TypeError, match="once"):
        tap.watch_others(())
    tap.close()
    found = re.findall(r"Returning double-> (\d+)", out.getvalue())
    assert sorted(found) == ["12", "14", "16"]
    with pytest.raises(TypeError, match="tuple"):
        _engine.Tap("text", stream=out).watch_others([])
    with pytest.raises(TypeError):
        _engine.Tap("text", stream=out).watch_others((1, "2"))
    with pytest.raises(OverflowError):
        _engine.Tap("text", stream=out).watch_others((-1,))
    with pytest.raises(RuntimeError, match="closed"):
        tap.watch_others(())


def test_an_exception_leaves_nothing_on(capsys):
    with pytest.raises(ZeroDivisionError), pyftrace.trace():
        double(1)
        1 / 0  # noqa: B018
    assert _engine.events() == 0
    double(1)
    assert capsys.readouterr().out.count("Called") == 1


def test_entering_one_object_twice_is_an_error():
    t = pyftrace.trace(file=io.StringIO())
    with t, pytest.raises(RuntimeError, match="entered already"):
        t.__enter__()
    with t:
        pass
    with pyftrace.report() as r, pytest.raises(RuntimeError, match="entered already"):
        r.__enter__()


def test_start_and_stop():
    out = io.StringIO()
    pyftrace.start(file=out, args=True)
    with pytest.raises(RuntimeError, match="started already"):
        pyftrace.start()
    double(1)
    pyftrace.stop()
    double(2)
    pyftrace.stop()
    assert [line for line in lines(out.getvalue()) if "double" in line] == [
        "Called double(x=1)",
        "Returning double-> 2",
    ]


def test_a_second_start_with_a_wider_filter_sees_what_the_first_disabled():
    import textwrap

    for _ in range(3):
        out = io.StringIO()
        pyftrace.start(file=out)
        textwrap.dedent("  x")
        pyftrace.stop()
        assert "dedent" not in out.getvalue()
        out = io.StringIO()
        pyftrace.start(file=out, include="textwrap")
        textwrap.dedent("  x")
        pyftrace.stop()
        assert "Called dedent" in out.getvalue()


def test_stop_deeper_than_start():
    out = io.StringIO()

    def inner():
        double(1)
        pyftrace.stop()

    pyftrace.start(file=out)
    inner()
    pyftrace.start(file=out)
    double(2)
    pyftrace.stop()
    text = lines(out.getvalue())
    assert text[-2:] == ["Called double", "Returning double-> 4"]


def test_file_is_a_path(tmp_path: Path):
    path = tmp_path / "tree.txt"
    with pyftrace.trace(file=path):
        double(1)
    assert lines(path.read_text()) == ["Called double", "Returning double-> 2"]


def test_stdout_is_looked_at_at_each_call(capsys, monkeypatch):
    traced = pyftrace.trace(double)
    traced(1)
    assert capsys.readouterr().out
    other = io.StringIO()
    monkeypatch.setattr(sys, "stdout", other)
    traced(1)
    assert lines(other.getvalue()) == ["Called double", "Returning double-> 2"]


def test_report_counts():
    with pyftrace.report() as r:
        for _ in range(5):
            quad(1)
    assert r.calls("double") == 10
    assert r.calls("test_api.quad") == r.calls("quad") == r.calls("*quad") == 5
    assert r.calls("*/test_api.py") == 15
    row = next(row for row in r.rows if row.function == "quad")
    assert (row.calls, row.resumes, row.module) == (5, 0, __name__)
    assert row.file == __file__ and row.line == inspect.getsourcelines(quad)[1]
    assert 0 < row.min_ns <= row.avg_ns <= row.max_ns <= row.total_ns
    assert row.self_ns < row.total_ns
    assert "quad" in str(r).splitlines()[2]
    assert "<table>" in r._repr_html_() and "quad" in r._repr_html_()
    assert r.to_dicts()[0].keys() >= {"function", "calls", "total_ns"}


def test_report_calls_refuses_a_misspelt_name():
    with pyftrace.report() as r:
        double(1)
    assert r.calls("quad") == 0
    with pytest.raises(LookupError, match="did you mean"):
        r.calls("test_api.doubel")
    assert r.calls("nonesuch_at_all", missing_ok=True) == 0


def test_stop_when_somebody_gave_our_tool_id_back(python: Run):
    """It is said, once, and all is off; the next call begins anew."""
    done = python(
        "-c",
        "import sys, pyftrace\nfrom pyftrace import _engine\n"
        "def f(): pass\ntraced = pyftrace.trace(f)\ntraced()\n"
        "sys.monitoring.free_tool_id(_engine.tool_id())\n"
        "try: pyftrace.stop()\nexcept ValueError as error: print(error)\n"
        "traced()\npyftrace.stop()\nprint(_engine.tool_id())\n",
    )
    assert "is not in use" in done.stdout and done.stdout.endswith("Returning f-> None\n-1\n")


def test_what_is_typed_at_a_prompt_is_the_users(python: Run):
    typed = (
        "import pyftrace\ndef inner(y): return y * 2\n\ndef func(x): return inner(x)\n\n"
        "traced = pyftrace.trace(func)\nanswer = traced(1)\n"
        "with pyftrace.report() as r: answer = func(2)\n\nprint(repr(r.calls('inner')))\n"
    )
    done = python("-", input=typed)
    assert re.sub(r":\d+( from .*)?", "", done.stdout) == (
        "Called func\n    Called inner\n    Returning inner-> 2\nReturning func-> 2\n"
        "1 (by __main__.func 1)\n"
    ), done.stderr


@pytest.mark.parametrize(
    "file",
    ["<stdin>", "<stdin>-3", "<python-input-7>", "<console>", "<pyshell#2>", "<doctest a[0]>"],
)
def test_a_name_that_a_prompt_gives_is_no_librarys(file: str):
    exec(compile("def f(): g()\ndef g(): pass", file, "exec"), names := {})
    exec(compile("def f(): g()\ndef g(): pass", "<string>", "exec"), generated := {})
    with pyftrace.report() as r:
        names["f"]()
        generated["f"]()
    assert [(row.function, row.file, row.calls) for row in r.rows if row.function in "fg"] == [
        ("f", file, 1), ("g", file, 1),
    ]  # fmt: skip


def test_report_calls_refuses_a_library_that_it_did_not_count():
    """0 would pass a test that means "at most 3"."""
    import textwrap

    with pyftrace.report() as r:
        textwrap.dedent(" x")
    with pytest.raises(LookupError, match=r"report\(function='textwrap.dedent'\)"):
        r.calls("textwrap.dedent")
    with pyftrace.report(function="textwrap.dedent") as r:
        textwrap.dedent(" x")
    assert r.calls("textwrap.dedent") == 1


def test_report_of_recursion_counts_time_once():
    def down(n):
        return n and down(n - 1)

    with pyftrace.report() as r:
        down(50)
    (row,) = r.rows
    assert row.calls == 51
    assert row.total_ns == row.max_ns
    assert abs(row.self_ns - row.total_ns) <= row.calls  # ns lost to rounding


def test_report_of_generators_counts_runs_and_resumes():
    def gen():
        yield 1
        yield 2

    with pyftrace.report() as r:
        list(gen())
        list(gen())
    (row,) = r.rows
    assert (row.calls, row.resumes) == (2, 4)


def test_report_sees_c_functions_with_builtins():
    with pyftrace.report(builtins=True) as r:
        sorted([3, 1], key=double)
        len([])
    assert r.calls("sorted", missing_ok=True) == 1
    assert r.calls("len", missing_ok=True) == 1
    assert r.calls("double") == 2


def test_taps_nest():
    out = io.StringIO()
    with pyftrace.report() as outer, pyftrace.trace(file=out):
        double(1)
        with pyftrace.report() as inner:
            double(2)
    assert (outer.calls("double"), inner.calls("double")) == (2, 1)
    assert out.getvalue().count("Called double") == 2


def test_two_threads_in_one_decorated_function():
    out = io.StringIO()
    traced = pyftrace.trace(quad, file=out)
    with ThreadPoolExecutor(4, thread_name_prefix="pool") as pool:
        assert sorted(pool.map(traced, range(40))) == [4 * i for i in range(40)]
    text = out.getvalue()
    assert text.count("Called quad") == text.count("Returning quad") == 40
    assert text.count("Called double") == 80


def test_forty_traces_at_once_are_refused_in_one_sentence():
    taps = [_engine.Tap("report") for _ in range(33)]
    try:
        for tap in taps[:32]:
            tap.attach()
        with pytest.raises(RuntimeError, match="32 traces are active"):
            taps[32].attach()
    finally:
        for tap in taps:
            tap.close()


def test_decorated_functions_give_way_to_one_another():
    functions = [pyftrace.trace(double, file=io.StringIO()) for _ in range(100)]
    for traced in functions * 2:
        assert traced(2) == 4


def test_bad_arguments_are_one_sentence():
    with pytest.raises(TypeError, match="unknown option 'dept'; did you mean depth"):
        pyftrace.trace(double, dept=1)
    with pytest.raises(ValueError, match="--depth"):
        pyftrace.trace(double, depth="x")
    with pytest.raises(ValueError, match="bad pattern"):
        pyftrace.trace(double, function="[")
    with pytest.raises(TypeError, match="takes a function"):
        pyftrace.trace(3)
    with pytest.raises(ValueError, match="threads"):
        pyftrace.trace(threads="some")
    with pytest.raises(TypeError, match="write"):
        pyftrace.start(file=object())
    with pytest.raises(TypeError, match="command line"):
        pyftrace.start(quiet=True)


@pytest.mark.skipif(
    sys.version_info < (3, 14) and not getattr(sys, "_is_gil_enabled", lambda: True)(),
    reason="without the GIL 3.13 keeps every function for good once there are threads",
)
def test_functions_made_by_exec_are_freed():
    import gc
    import weakref

    def one(i):
        space = {}
        exec(f"def made_{i}(): return {i}", space)
        f = space[f"made_{i}"]
        f()
        return weakref.ref(f.__code__) if hasattr(f.__code__, "__weakref__") else weakref.ref(f)

    with pyftrace.report(include="<string>") as r:
        refs = [one(i) for i in range(1000)]
    gc.collect()
    assert all(ref() is None for ref in refs)
    assert sum(row.calls for row in r.rows if row.function.startswith("made_")) == 1000


def test_values_never_run_the_programs_code(capsys):
    class Loud:
        def __repr__(self):
            raise AssertionError("repr ran")

        __str__ = __repr__

    def give(x):
        return x

    pyftrace.trace(give, args=True)([Loud()])
    assert "<test_api.test_values_never_run_the_programs_code.<locals>.Loud object>" in (
        capsys.readouterr().out
    )


def test_values_str_runs_it_guarded(capsys):
    class Named:
        def __str__(self):
            return "I am\nme"

    class Evil:
        def __str__(self):
            raise SystemExit(3)

    def give(x):
        return x

    traced = pyftrace.trace(give, values="str")
    traced(Named())
    traced(Evil())
    out = capsys.readouterr().out
    assert "-> I am\\nme" in out
    assert "Evil object: __str__ raised SystemExit>" in out


def test_docstrings_are_true(capsys):
    import doctest

    from pyftrace import api, options, totals

    for module in (api, options, totals):
        done = doctest.testmod(module, optionflags=doctest.ELLIPSIS)
        assert done.failed == 0, capsys.readouterr().out


def test_a_failing_assertion_says_who_called():
    with pyftrace.report(include="*") as r:
        quad(1)
        quad(2)
        double(3)
    calls = r.calls("double")
    assert calls == 5 and calls.callers == [("test_api.quad", 4), ("top level", 1)]
    assert repr(calls) == "5 (by test_api.quad 4, top level 1)"
    assert (str(calls), f"{calls}", f"{calls:>3}", calls + 1) == ("5", "5", "  5", 6)
    assert pickle.loads(pickle.dumps(calls)) == 5 and json.dumps(calls) == "5"
    with pytest.raises(AssertionError, match=r"5 \(by test_api.quad 4, top level 1\) <= 3"):
        assert r.calls("double") <= 3


def test_callers_are_counted_in_every_thread(tmp_path: Path):
    def work():
        for n in range(100):
            quad(n)

    with pyftrace.report(threads="all", include="*") as r, pyftrace.record(
        tmp_path / "run.data", threads="all", include="*"
    ):  # fmt: skip
        work()
        threads = [threading.Thread(target=work) for _ in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    recorded = pyftrace.open(tmp_path / "run.data").report()
    for found in (r, recorded):
        assert found.calls("double").callers == [("test_api.quad", 1000)]
        assert found.calls("quad").callers == [
            ("test_api.test_callers_are_counted_in_every_thread.<locals>.work", 500)
        ]


def test_c_functions_are_called_by_python_ones_and_call_them():
    with pyftrace.report(builtins=True, include="*") as r:
        sorted([3, 1], key=double)
        quad(len("ab"))
    assert dict(r.calls("double").callers) == {"builtins.sorted": 2, "test_api.quad": 2}


def test_generators_are_called_once_by_whoever_goes_first():
    def steps():
        yield double(1)
        yield double(2)

    def one(it):
        return next(it)

    def other(it):
        return next(it)

    with pyftrace.report(include="*") as r:
        it = steps()
        one(it)
        other(it)
    inner = "test_api.test_generators_are_called_once_by_whoever_goes_first.<locals>."
    assert r.calls("*steps").callers == [(inner + "one", 1)]
    assert r.calls("double").callers == [(inner + "steps", 2)]
