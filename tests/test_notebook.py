"""``%load_ext pyftrace``: in IPython without a kernel, and in a real one."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("IPython")

SETUP = """\
import asyncio, json, threading, time
def inner(x):
    return x + 1
def outer(x):
    return inner(x)
async def co(x):
    await asyncio.sleep(0.001)
    return inner(x)
async def forever():
    while True:
        await asyncio.sleep(0)
        outer(99)
async def turns(n):
    for _ in range(n):
        await asyncio.sleep(0)
class Shy:
    def __repr__(self):
        return "shy" + str(inner(1))
interrupt = __import__("_thread").interrupt_main"""

RUN_CELLS = """\
import json, sys
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance(colors="nocolor")
for cell in json.load(sys.stdin):
    print("[[cell]]", flush=True)
    print("[[cell]]", file=sys.stderr, flush=True)
    shell.run_cell(cell, store_history=True)
    sys.stdout.flush(), sys.stderr.flush()
from pyftrace import _engine
assert _engine.events() == 0
"""


class Cell:
    """What one cell showed."""

    def __init__(self, out: str, err: str) -> None:
        self.out = out
        self.err = err


@pytest.fixture
def ipython(python, tmp_path):
    """ipython(*cells): what each showed, after %load_ext and SETUP, without a kernel."""
    import json

    def run(*cells: str) -> list[Cell]:
        (tmp_path / "run_cells.py").write_text(RUN_CELLS)
        done = python(
            "run_cells.py",
            input=json.dumps(["%load_ext pyftrace", SETUP, *cells]),
            env={"IPYTHONDIR": str(tmp_path)},
        )
        assert done.returncode == 0, done.stderr
        outs, errs = (text.split("[[cell]]\n")[3:] for text in (done.stdout, done.stderr))
        return [Cell(out, err) for out, err in zip(outs, errs, strict=True)]

    return run


def tree(x: int, line: int = 1) -> str:
    return (
        f"Called outer:4 from line {line}\n    Called inner:2 from line 5\n"
        f"    Returning inner-> {x + 1}\nReturning outer-> {x + 1}\n"
    )


# ---- values and lines ----------------------------------------------------------------------------


def test_the_value_is_the_cells(ipython):
    cells = ipython("%pyftrace outer(3)", "x = %pyftrace outer(4)\nx", "_ + 1")
    assert cells[0].out == tree(3) + "Out[3]: 4\n"
    assert cells[1].out == tree(4) + "Out[4]: 5\n"
    assert cells[2].out == "Out[5]: 6\n"


def test_a_semicolon_hides_the_value(ipython):
    cells = ipython("%pyftrace outer(3);", "%%pyftrace\nouter(3);")
    assert [cell.out for cell in cells] == [tree(3), tree(3, 2)]


def test_a_statement_has_no_value(ipython):
    cells = ipython("%pyftrace y = outer(1)", "y", "%pyftrace z = 1; outer(2)")
    assert [cell.out for cell in cells] == [tree(1), "Out[4]: 2\n", tree(2) + "Out[5]: 3\n"]


def test_a_cell_shows_its_last_expression_and_keeps_its_lines(ipython):
    (cell,) = ipython("%%pyftrace\nouter(1)\n\ny = outer(2)\nouter(3)")
    assert cell.out == tree(1, 2) + tree(2, 4) + tree(3, 5) + "Out[3]: 4\n"


def test_what_is_shown_is_in_the_order_of_prints(ipython):
    (cell,) = ipython("%%pyftrace\nprint('a'); outer(1); print('b')")
    assert cell.out == "a\n" + tree(1, 2) + "b\n"


def test_showing_the_value_is_not_traced(ipython):
    cells = ipython("%%pyftrace\nShy()", "%pyftrace -vv Shy()", "%%pyftrace -v\nouter(1)\n2")
    assert cells[0].out == "Out[3]: shy2\n"
    assert cells[1].out.startswith("Called Shy") and cells[1].out.count("\n") == 3
    assert cells[2].out == tree(1, 2) + "Out[5]: 2\n"


def test_between_statements_ipython_is_not_traced(ipython):
    (cell,) = ipython("%%pyftrace -vv\na = outer(1)\nb = outer(2)\nc = outer(3)")
    assert cell.out == tree(1, 2) + tree(2, 3) + tree(3, 4)


def test_every_setting_of_what_is_shown(ipython):
    shown = "get_ipython().ast_node_interactivity = "
    cells = ipython(
        shown + "'all'", "%%pyftrace\nouter(1)\nouter(2)", shown + "'last_expr_or_assign'",
        "%%pyftrace\na = outer(3)", shown + "'none'", "%%pyftrace\nouter(1)",
    )  # fmt: skip
    assert cells[1].out == tree(1, 2) + "Out[4]: 2\n" + tree(2, 3) + "Out[4]: 3\n"
    assert cells[3].out == tree(3, 2) + "Out[6]: 4\n"
    assert cells[5].out == tree(1, 2)


def test_options_are_the_command_lines(ipython):
    cells = ipython(
        "%pyftrace -a -d 1 outer(1);", "%pyftrace -f 'in*' outer(1);", "%pyftrace -p outer(1);",
        "%%pyftrace -e inner\nouter(1);", "%pyftrace -- -outer(1)", "%pyftrace -a outer('a -b');",
    )  # fmt: skip
    assert cells[0].out == "Called outer:4(x=1) from line 1\nReturning outer-> 2\n"
    assert cells[1].out == "Called inner:2 from In[2]:5\nReturning inner-> 2\n"
    assert cells[2].out.startswith("Called outer@In[2]:4 from In[5]:1\n")
    assert "inner" not in cells[3].out and "Called outer:4" in cells[3].out
    assert cells[4].out.endswith("Out[7]: -2\n")
    assert "(x='a -b')" in cells[5].out


def test_names_of_cells_are_readable(ipython):
    cells = ipython(
        "def late(f):\n    return sorted([1], key=f)", "%pyftrace -H late late(outer);",
        "%pyftrace -r outer(1);",
    )  # fmt: skip
    assert cells[1].out == tree(1).replace("line 1", "In[3]:2")
    assert "In[2]:4" in cells[2].out and "ipython-input" not in cells[2].out


# ---- IPython's other ways ------------------------------------------------------------------------


def test_magics_and_commands_in_a_cell(ipython):
    cells = ipython(
        "%%pyftrace\n!echo hello\nq = %pyftrace -q outer(1)\nouter(q)",
        "%%pyftrace\n%%time\nouter(1)", "%%time\n%%pyftrace\nouter(1)",
        "%%capture held\n%%pyftrace\nq = outer(1)", "print(held.stdout)",
    )  # fmt: skip
    assert "hello" in cells[0].out and cells[0].out.endswith(tree(2, 4) + "Out[3]: 3\n")
    assert cells[1].out.startswith("Called outer:4 from <timed eval>:1\n")
    assert "Wall time" in cells[1].out and "Wall time" in cells[2].out
    assert cells[2].out.startswith(tree(1, 2))
    assert cells[3].out == "" and cells[4].out == tree(1, 2) + "\n"


def test_in_functions_and_loops(ipython):
    cells = ipython(
        "def fn(q):\n    r = %pyftrace outer(q)\n    return r", "fn(8)",
        "for i in range(2):\n    %pyftrace outer(i)",
        "for i in range(2):\n    get_ipython().run_cell('%%pyftrace\\nq = outer(i)')",
    )  # fmt: skip
    assert cells[1].out == tree(8, 2) + "Out[4]: 9\n"
    assert cells[2].out == tree(0, 2) + tree(1, 2)
    assert cells[3].out == tree(0, 2) + tree(1, 2)


def test_from_code(ipython):
    cells = ipython(
        "[get_ipython().run_line_magic('pyftrace', 'outer(i)') for i in range(2)]",
        "get_ipython().run_cell_magic('pyftrace', '-d 1', 'q = outer(1)')",
        "await get_ipython().run_line_magic('pyftrace', 'await co(1)')",
    )
    assert cells[0].out == tree(0) + tree(1) + "Out[3]: [1, 2]\n"
    assert cells[1].out == "Called outer:4 from line 2\nReturning outer-> 2\n"
    assert "Suspending co" in cells[2].out and "Returning co-> 2" in cells[2].out


def test_awaiting(ipython):
    text = (
        "Called co:6 from line 1\nSuspending co\nResuming co:6 from line 1\n"
        "    Called inner:2 from line 8\n    Returning inner-> 3\nReturning co-> 3\n"
    )
    cells = ipython(
        "%pyftrace await co(2)", "v = %pyftrace await co(2)\nv", "%pyftrace await co(2);",
        "%%pyftrace\nv = await co(2)\nv", "await co(2)",
    )  # fmt: skip
    assert cells[0].out == text + "Out[3]: 3\n"
    assert cells[1].out == text + "Out[4]: 3\n"
    assert cells[2].out == text
    assert cells[3].out == text.replace("line 1", "line 2") + "Out[6]: 3\n"
    assert cells[4].out == "Out[7]: 3\n"


def test_what_takes_all_names_away(ipython):
    cells = ipython("%%pyftrace -q\n%reset -f\nprint('still')\n5", "dir()")
    assert cells[0].out == "still\nOut[3]: 5\n"
    assert "pyftrace" not in cells[1].out


def test_the_users_names_are_left_alone(ipython):
    cells = ipython("before = {*globals()}", "%%pyftrace\nouter(1);\n%pyftrace -q outer(2)",
                    "sorted({*globals()} - before - {'before', '_i', '_ii', '_iii'})")  # fmt: skip
    assert "pyftrace" not in cells[2].out


# ---- mistakes ------------------------------------------------------------------------------------

MISTAKES = {
    "%pyftrace": "%pyftrace: nothing to trace: name a statement (%pyftrace -h tells more)",
    "%pyftrace -d": "pyftrace: -d needs a value: -d N",
    "%pyftrace -d 0 f()": "pyftrace: --depth: 0 is out of range (at least 1)",
    "%pyftrace --agrs f()": "pyftrace: unknown option --agrs; did you mean --args?",
    "%pyftrace --ring 4M f()": "pyftrace: --ring goes with record",
    "%pyftrace -m json": "pyftrace: -m is of the command line: here a statement follows",
    "%pyftrace f(": "%pyftrace: '(' was never closed: f(",
    "%pyftrace -o /nowhere/x 1": "pyftrace: cannot write /nowhere/x: No such file or directory",
    "%pyftrace -r -o /nowhere/x 1": "pyftrace: cannot write /nowhere/x: No such file or directory",
    "%%pyftrace -a f()\n1": "%%pyftrace: options alone stand beside it, not 'f()'",
    "%%pyftrace --bad\n1": "pyftrace: unknown option --bad",
    "%%pyftrace\n\n": "%%pyftrace: the cell is empty",
}


def test_a_mistake_is_one_line(ipython):
    cells = ipython(*MISTAKES)
    assert [cell.err for cell in cells] == [f"UsageError: {text}\n" for text in MISTAKES.values()]
    assert all(cell.out == "" for cell in cells)


def test_no_free_tool_id_is_one_line(ipython):
    cells = ipython("import sys\nfor i in range(6): sys.monitoring.use_tool_id(i, f'tool{i}')",
                    "%%pyftrace\nprint('not reached')")  # fmt: skip
    assert cells[1].err.startswith("UsageError: pyftrace: ") and cells[1].err.count("\n") == 1
    assert "tool1" in cells[1].err and cells[1].out == ""


def test_an_empty_cell_has_ipythons_words(ipython):
    assert "the cell body is empty" in ipython("%%pyftrace")[0].err


def test_tracebacks_are_as_without(ipython):
    def plain(text: str) -> str:
        return re.sub(r"^.*get_ipython.*\n", "", re.sub(r"In\[\d+\]", "In", text), flags=re.M)

    failing = "\nouter(1)\nouter('a')"
    cells = ipython("%%pyftrace -q" + failing, "pass" + failing, "%pyftrace outer('a')")
    shown, untraced = (cell.out.partition("-----")[2] for cell in cells[:2])
    assert plain(shown) == re.sub(r"^.*pass\n", "", plain(untraced), flags=re.M)
    assert "Cell In[3], line 3" in shown and "/pyftrace/" not in shown
    assert "Raising outer-> TypeError" in cells[2].out
    assert "/pyftrace/" not in cells[2].out and "interactiveshell" not in cells[2].out


def test_what_python_refuses(ipython):
    cells = ipython(
        "%%pyftrace\nouter(1)\nreturn 5", "%%pyftrace\nx = = 2",
        "%%pyftrace\nouter(1)\nimport sys; sys.exit(3)", "%pyftrace outer(2);",
    )  # fmt: skip
    assert "'return' outside function" in cells[0].out and "line 3" in cells[0].out
    assert "invalid syntax" in cells[1].out and "line 2" in cells[1].out
    assert "SystemExit: 3" in cells[2].out
    assert cells[3].out == tree(2)


def test_help_and_version(ipython):
    cells = ipython("%pyftrace -h", "%%pyftrace -h\nouter(1)", "%pyftrace -V", "%pyftrace?")
    assert cells[0].out == cells[1].out and "--exclude-function" in cells[0].out
    assert "--ring" not in cells[0].out
    assert re.fullmatch(r"pyftrace version [\d.]+\n", cells[2].out)
    assert "Examples:" in cells[3].out


# ---- much, little, nothing -----------------------------------------------------------------------


def test_a_long_tree_is_cut_in_its_middle(ipython):
    loop = "\nfor i in range(10_000): inner(i)"
    cells = ipython("%%pyftrace" + loop, "%%pyftrace --limit 5" + loop,
                    "%%pyftrace --limit 0" + loop)  # fmt: skip
    lines = cells[0].out.splitlines()
    assert len(lines) == 1001 and "... 19,000 lines left out (--limit 0: none)" in lines[800]
    assert lines[-1] == "Returning inner-> 10000"
    assert cells[1].out.splitlines()[3:] == [
        "Returning inner-> 2", "... 19,995 lines left out (--limit 0: none)",
        "Returning inner-> 10000",
    ]  # fmt: skip
    assert cells[2].out.count("\n") == 20_000


def test_nothing_shown_is_said(ipython):
    cells = ipython("%%pyftrace\n# nothing\n1", "%pyftrace -f nosuch outer(1);",
                    "%pyftrace -q 1;", "%pyftrace -r 1;")  # fmt: skip
    assert "no calls in scope: no function of your own was called; -v shows" in cells[0].err
    assert cells[1].err == (
        "pyftrace: no calls in scope\npyftrace: warning: nothing matched 'nosuch'\n"
    )
    assert cells[2].err == "" and cells[2].out == ""
    assert "no calls in scope" in cells[3].err and cells[3].out == ""


def test_reports(ipython, tmp_path):
    file = tmp_path / "table"
    cells = ipython(
        "%pyftrace -r --columns none outer(1)", "%pyftrace -r --format csv outer(1);",
        f"%pyftrace -r -o {file} outer(1);", f"%pyftrace -o {file}.tree outer(1);",
        "%pyftrace -r --limit 1 --columns none outer(1);",
    )  # fmt: skip
    lines = cells[0].out.splitlines()
    assert lines[0].rstrip() == "Function Name  | Total Execution Time  | Call Count"
    assert lines[2].startswith("outer ") and lines[-1] == "Out[3]: 2"
    assert lines[-2].startswith("2 functions, 2 calls, 1 thread, ")
    assert cells[1].out.startswith("function,")
    assert cells[2].out == cells[3].out == ""
    assert file.read_text().startswith("\nFunction Name")
    assert Path(f"{file}.tree").read_text().count("Called") == 2
    assert "... 1 more (--limit 0)" in cells[4].out


def test_hostile_names_are_no_html():
    import pyftrace

    def f():
        pass

    f.__code__ = f.__code__.replace(co_qualname="<script>alert(1)</script>\x1b[31m")
    with pyftrace.report(columns="self,avg,where", limit=1) as r:
        f()
        Cell("", "")
    html = r._repr_html_()
    assert "<script>" not in html and "\x1b" not in html
    titles = re.findall("<th [^>]*>([^<]*)", html)
    assert titles == ["Function Name", "Total Execution Time", "Call Count", "Self Time",
                      "Average", "Where"]  # fmt: skip
    times = re.findall(r"\d\.(\d+) seconds</td>", html)
    assert [len(digits) for digits in times] == [6, 6, 9]
    assert html.count("<tr>") == 2 and "... 1 more" in html and "2 functions, 2 calls" in html


# ---- runs and the extension ----------------------------------------------------------------------


def test_a_second_run_never_shows_the_first(ipython):
    cells = ipython(
        "%%pyftrace -q\ndef gen():\n    yield inner(1)\n    yield inner(2)\ng = gen()\nnext(g);",
        "%%pyftrace\nouter(5);", "%%pyftrace\ndef outer(x): return -x\nouter(1);", "outer(1)",
        "%pyftrace outer(2);", "%%pyftrace\nnext(g);",
    )  # fmt: skip
    assert cells[1].out == tree(5, 2)
    assert cells[2].out == "Called outer:2 from line 3\nReturning outer-> -1\n"
    assert cells[3].out == "Out[6]: -1\n"
    assert cells[4].out == "Called outer:2 from line 1\nReturning outer-> -2\n"
    assert cells[5].out.startswith("Resuming gen:2 from line 2\n")


def test_other_traces_in_a_cell(ipython):
    cells = ipython("%%pyftrace -a\nimport pyftrace\nwith pyftrace.trace():\n    inner(3)",
                    "%pyftrace inner(1);")  # fmt: skip
    assert cells[0].out.count("Called inner:2(x=3)") == 1
    assert cells[0].out.count("Called inner:2 from") == 1
    assert cells[1].out.count("Called") == 1


def test_threads_of_a_cell(ipython):
    (cell,) = ipython("%%pyftrace\nt = threading.Thread(target=outer, args=(1,), name='w')\n"
                      "t.start(); t.join()")  # fmt: skip
    assert "Called outer:4 from threading.py:" in cell.out and "Returning outer-> 2" in cell.out


def test_loading_and_unloading(ipython):
    cells = ipython(
        "%load_ext pyftrace", "%pyftrace outer(1);", "%reload_ext pyftrace", "%pyftrace outer(2);",
        "%unload_ext pyftrace", "%pyftrace outer(3)", "%%pyftrace\nouter(3)",
        "[ip := get_ipython(), ip.ast_transformers, ip.input_transformers_post][1:]",
        "%load_ext pyftrace", "%pyftrace outer(4);",
    )  # fmt: skip
    assert "already loaded" in cells[0].out
    assert cells[1].out == tree(1) and cells[3].out == tree(2)
    assert "not found" in cells[5].err and "not found" in cells[6].err
    assert cells[7].out == "Out[10]: [[], []]\n"
    assert cells[9].out == tree(4)


def test_without_ipython_it_is_one_line(python):
    done = python("-c", "import sys; sys.modules['IPython'] = None\n"
                  "import pyftrace; pyftrace.load_ipython_extension")  # fmt: skip
    last = done.stderr.splitlines()[-1]
    assert last == "ImportError: the magics need IPython: pip install 'pyftrace[notebook]'"


# ---- in a kernel ---------------------------------------------------------------------------------


@pytest.fixture
def kernel(tmp_path, monkeypatch):
    """kernel(*cells): the outputs of each, after %load_ext and SETUP."""
    pytest.importorskip("ipykernel")
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))

    def run(*cells: str):
        sources = ["%load_ext pyftrace", SETUP, *cells]
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(s) for s in sources])
        notebook.metadata["kernelspec"] = {
            "name": "python3", "display_name": "", "language": "python",
        }  # fmt: skip
        nbclient.NotebookClient(
            notebook, timeout=60, allow_errors=True,
            resources={"metadata": {"path": str(tmp_path)}},
        ).execute()  # fmt: skip
        return [cell.outputs for cell in notebook.cells[2:]]

    return run


def stdout(outputs) -> str:
    return "".join(o["text"] for o in outputs if o.output_type == "stream" and o.name == "stdout")


def results(outputs) -> list[str]:
    return [o["data"]["text/plain"] for o in outputs if o.output_type == "execute_result"]


def test_a_kernel_shows_trees_tables_and_values(kernel):
    cells = kernel(
        "%pyftrace outer(1)", "%%pyftrace\nouter(2)\nv = await co(2)\nv", "%pyftrace await co(2)",
        "%%pyftrace -r\nouter(1)\nawait co(1);", "%%pyftrace -q\nouter('a')", "%pyftrace outer(3);",
    )  # fmt: skip
    assert (stdout(cells[0]), results(cells[0])) == (tree(1), ["2"])
    assert stdout(cells[1]).startswith(tree(2, 2) + "Called co:6 from line 3\nSuspending co\n")
    assert results(cells[1]) == results(cells[2]) == ["3"]
    table = next(o for o in cells[3] if o.output_type == "display_data")["data"]
    assert "<table>" in table["text/html"] and ">In[2]:6<" in table["text/html"]
    assert "Function Name" in table["text/plain"] and "In[2]:6" in table["text/plain"]
    assert cells[4][-1].ename == "TypeError"
    assert "/pyftrace/" not in "\n".join(cells[4][-1].traceback)
    assert stdout(cells[5]) == tree(3)


def test_tasks_of_a_cell_end_with_it_and_those_of_others_are_not_shown(kernel):
    cells = kernel(
        "%%pyftrace -f outer\nmine = asyncio.create_task(forever())\nawait turns(9)",
        "await turns(9)", "%%pyftrace\nawait co(5);",
        "%%pyftrace\nawait asyncio.gather(co(1), co(2));", "mine.cancel();",
    )  # fmt: skip
    assert "Called outer:4 from line 12" in stdout(cells[0])
    assert stdout(cells[1]) == ""
    assert "outer" not in stdout(cells[2]) and "Returning co-> 6" in stdout(cells[2])
    assert "outer" not in stdout(cells[3])
    assert {"Returning co-> 2", "Returning co-> 3"} <= {
        line.partition("] ")[2] for line in stdout(cells[3]).splitlines()
    }


def test_tasks_of_untraced_cells_are_seen_and_named(kernel):
    cells = kernel(
        "e = asyncio.Event()\nasync def held():\n    await e.wait()\n    return inner(7)\n"
        "t = asyncio.create_task(held(), name='held')\n"
        "u = asyncio.create_task(forever(), name='beat')\nawait asyncio.sleep(0)",
        "%%pyftrace\nawait co(1)\ne.set()\nawait t\nu.cancel();",
        "%%pyftrace -q\nv = asyncio.create_task(forever())", "await asyncio.sleep(0)",
        "%%pyftrace -f outer\nawait turns(9)", "v.cancel();",
    )  # fmt: skip
    assert "[held] Resuming held:2 from events.py:" in stdout(cells[1])
    assert "[held] Returning held-> 8" in stdout(cells[1])
    assert stdout(cells[0]) == "" and stdout(cells[4]) == ""
    assert "but of tasks that an earlier traced cell started" in cells[4][0]["text"]


def test_a_pool_of_an_earlier_cell_prints_into_this_one(kernel):
    pool = "from concurrent.futures import ThreadPoolExecutor as P\np = P(1)\np.submit(len, '')"
    cells = kernel(pool, "%%pyftrace\np.submit(outer, 1).result();",
                   "%%pyftrace\nawait asyncio.to_thread(outer, 2);")  # fmt: skip
    assert "Returning outer-> 2" in stdout(cells[1])
    assert "Returning outer-> 3" in stdout(cells[2])


def test_all_of_everything_does_not_trace_the_kernel(kernel):
    (cell,) = kernel("%%pyftrace -vv --limit 0\nouter(1)\ntime.sleep(0.1)\nouter(2)")
    sleeping = "Called sleep from line 3\nReturning sleep\n"
    assert stdout(cell) == tree(1, 2) + sleeping + tree(2, 4)


def test_an_interrupted_cell_leaves_nothing_on(kernel):
    cells = kernel(
        "%%pyftrace -d 1\nfor i in range(999): outer(1)\ninterrupt()\nwhile True: outer(1)",
        "outer(1);",
        "%%pyftrace -q\nawait co(1)\ninterrupt()\nwhile True: await co(1)", "outer(2);",
        "from pyftrace import _engine\n_engine.events()", "%pyftrace outer(3);",
    )  # fmt: skip
    assert cells[0][-1].ename == "KeyboardInterrupt"
    assert "/pyftrace/" not in "\n".join(cells[0][-1].traceback)
    assert "lines left out" in stdout(cells[0])
    assert all("lost" not in o.get("text", "") for o in cells[0])
    assert cells[2][-1].ename in ("KeyboardInterrupt", "CancelledError")
    assert stdout(cells[1]) == stdout(cells[3]) == ""
    assert results(cells[4]) == ["0"]
    assert stdout(cells[5]) == tree(3)


def test_nothing_imports_ipython_unasked():
    text = "import sys, pyftrace; pyftrace.trace; print('IPython' in sys.modules)"
    done = subprocess.run([sys.executable, "-Pc", text], capture_output=True, text=True)
    assert done.stdout == "False\n"
