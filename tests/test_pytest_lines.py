"""Which calls ``pytest --pyftrace`` shows where there are more lines than it may print."""

import re
from pathlib import Path

import pytest
from test_pytest_plugin import Pytest, run, section  # noqa: F401  (a fixture)

from pyftrace import _engine

PRICES = """\
def price(name, n):
    return discount(shop.lookup(name) * n, n)
def discount(base, n):
    return base if n != 13 else 0
"""


def test_the_call_that_an_assert_in_a_loop_is_about_is_shown_whole(run: Pytest):  # noqa: F811
    test = "def test_all():\n    for n in range(1, 16):\n        assert price('tea', n) == 3 * n\n"
    out = run(PRICES + test, "--pyftrace", "--pyftrace-lines=12")
    assert (
        section(out)
        == """\
pyftrace: 40 calls, in 12 lines
Called test_all:6()
    ... 60 lines left out
    Called price:2(name='tea', n=11) from line 8
    Returning price-> 33  [TIME]  ... 4 lines left out
    Called price:2(name='tea', n=12) from line 8
    Returning price-> 36  [TIME]  ... 4 lines left out
    Called price:2(name='tea', n=13) from line 8
        Called lookup:6(name='tea') from line 3
        Returning lookup-> 3  [TIME]
        Called discount:4(base=39, n=13) from line 3
        Returning discount-> 0  [TIME]
    Returning price-> 0  [TIME]
Raising test_all-> AssertionError: assert 0 == (3 * 13)  [TIME]
raised at test_shop.py:8, in test_all
"""
    )


def test_so_is_it_where_a_function_of_the_tests_asserts(run: Pytest):  # noqa: F811
    test = (
        "def check(got, n):\n    assert got == 3 * n\n"
        "def test_all():\n    for n in range(1, 16):\n        check(price('tea', n), n)\n"
    )
    found = section(run(PRICES + test, "--pyftrace", "--pyftrace-lines=10"))
    assert found.count("Called price") == 1
    assert "        Returning discount-> 0  [TIME]\n    Returning price-> 0  [TIME]\n" in found


def test_what_pytest_and_python_call_afterwards_does_not_hide_it(run: Pytest):  # noqa: F811
    test = (
        "class Money:\n    def __init__(self, n): self.n = n\n"
        "    def __eq__(self, other): return self.n == other.n\n"
        "    def __repr__(self): return 'Money'\n"
        "class Till:\n    def __enter__(self): return self\n"
        "    def __exit__(self, *why): self.close()\n    def close(self): pass\n"
        "def test_all():\n    with Till():\n        for n in range(1, 16):\n"
        "            assert Money(price('tea', n)) == Money(3 * n)\n"
    )
    found = section(run(PRICES + test, "--pyftrace", "--pyftrace-lines=60"))
    assert "Called Money.__repr__" in found and "Called Till.close" in found
    assert "        Returning discount-> 0  [TIME]\n    Returning price-> 0  [TIME]\n" in found


def test_a_last_call_that_is_too_long_leaves_room_for_others(run: Pytest):  # noqa: F811
    test = (
        "def many(n):\n    for i in range(n): price('tea', i)\n"
        "def test_all():\n    shop.lookup('cake')\n    many(3)\n    many(100)\n    assert 0\n"
    )
    found = section(run(PRICES + test, "--pyftrace", "--pyftrace-lines=16"))
    assert re.findall(r"Called (.*) from", found) == [
        "lookup:6(name='cake')", "many:6(n=3)", "many:6(n=100)",
        *(f"price:2(name='tea', n={n})" for n in (96, 97, 98, 99)),
    ]  # fmt: skip


def test_of_calls_alike_the_latest_are_shown(run: Pytest):  # noqa: F811
    test = (
        "def test_all():\n    for i in range(1000):\n        shop.price('tea', i)\n    assert 0\n"
    )
    out = run(test, "--pyftrace", "--pyftrace-lines=8")
    assert (
        section(out)
        == """\
pyftrace: 2,001 calls, in 8 lines
Called test_all:2()
    ... 3992 lines left out
    Called price:3(name='tea', count=998) from line 4
    Returning price-> 2994  [TIME]  ... 2 lines left out
    Called price:3(name='tea', count=999) from line 4
        Called lookup:6(name='tea') from line 4
        Returning lookup-> 3  [TIME]
    Returning price-> 2997  [TIME]
Raising test_all-> AssertionError: assert 0  [TIME]
raised at test_shop.py:5, in test_all
"""
    )


def test_the_way_of_an_exception_comes_before_what_had_returned(run: Pytest):  # noqa: F811
    test = (
        "def big(n):\n    for i in range(n): shop.price('tea', i)\n    return n\n"
        "def test_way():\n    big(50)\n    big(51)\n    shop.price('x', 1)\n"
    )
    out = run(test, "--pyftrace", "--pyftrace-lines=10")
    assert (
        section(out)
        == """\
pyftrace: 207 calls, in 10 lines
Called test_way:5()
    Called big:2(n=50) from line 6
    Returning big-> 50  [TIME]  ... 200 lines left out
    Called big:2(n=51) from line 7
    Returning big-> 51  [TIME]  ... 204 lines left out
    Called price:3(name='x', count=1) from line 8
        Called lookup:6(name='x') from line 4
        Raising lookup-> KeyError: 'x'  [TIME]
    Raising price-> KeyError: 'x'  [TIME]
Raising test_way-> KeyError: 'x'  [TIME]
raised at shop.py:7, in lookup
"""
    )


# ---- of any program ------------------------------------------------------------------------------

PROGRAM = """\
def leaf(n): return n
def mid(n):
    for i in range(n): leaf(i)
    try: deep(2)
    except ValueError: leaf(-1)
def deep(n):
    if n == 0: raise ValueError("bad")
    leaf(n)
    deep(n - 1)
def top():
    leaf(100)
    mid(3)
    mid(1)
    leaf(1)
    {end}
try: top()
except (ValueError, AssertionError): pass
"""


@pytest.mark.parametrize("end", ["assert False", "deep(2)", "mid(4); leaf(2); leaf(3); assert 0"])
def test_however_many_lines_it_is_a_tree(python, pyftrace, tmp_path: Path, end: str):
    """Lines kept and left out add up; each line stands below the call that it lies in."""
    (tmp_path / "app.py").write_text(PROGRAM.format(end=end))
    assert pyftrace("record", "-q", "app.py").returncode == 0
    recording = _engine.Recording(str(tmp_path / "pyftrace.data"))

    def shown(most: int) -> list[str]:
        found: list[str] = []
        stream = type("Lines", (), {"write": staticmethod(found.append)})
        tap = _engine.Tap("text", stream=stream, last=most)
        recording.walk(tap, merged=True, anew=True)
        tap.flush()
        return "".join(found).splitlines()

    every = shown(1000)
    for most in range(8, len(every)):  # from the longest way to a failure on
        lines = shown(most)
        gaps = re.findall(r"\.\.\. (\d+) lines? left out", "\n".join(lines))
        calls = [line for line in lines if not line.lstrip().startswith("...")]
        assert most - 1 <= len(calls) <= most and len(calls) + sum(map(int, gaps)) == len(every)
        stack: list[str] = []
        for line in calls:
            word, name = line.split()[:2]
            name = name.partition(":")[0].partition("->")[0]
            if word == "Called":
                assert len(stack) == (len(line) - len(line.lstrip())) // 4
                stack.append(name)
            else:
                assert stack.pop() == name
