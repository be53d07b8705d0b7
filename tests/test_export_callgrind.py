"""Callgrind's format, read by the rules of its documentation; callgrind_annotate itself reads it in
tests/viewers."""

import re
from pathlib import Path

import hostile
import pytest
import recorded

import pyftrace as api

TOP = ("(top level)", 0)


class Profile:
    """``own`` by function, ``calls`` as (calls, ns) by caller and function."""

    def __init__(self, path: Path) -> None:
        self.names: dict[str, str] = {}
        self.own: dict[recorded.Function, int] = {}
        self.calls: dict[tuple[recorded.Function, recorded.Function], tuple[int, int]] = {}
        lines = iter(path.read_text().splitlines())
        head = {}
        for line in lines:
            if line == "":
                break
            assert re.fullmatch(r"# callgrind format|\w+: .*", line)
            head[line.partition(":")[0]] = line.partition(": ")[2]
        assert head["positions"] == "line" and head["events"] == "ns"
        self.summary = int(head["summary"])
        self.read(lines)

    def name(self, kind: str, text: str) -> str:
        number, _, name = text.partition(" ")
        if name:
            assert kind + number not in self.names
            self.names[kind + number] = name
        return self.names[kind + number]

    def read(self, lines) -> None:
        file = called_file = called = ""
        function = ("", 0)
        for line in lines:
            key, _, value = line.partition("=")
            if key == "fl":
                file = called_file = self.name("file", value)
            elif key == "fn":
                name = self.name("function", value)
                at, ns = next(lines).split()
                function = (name.removeprefix("__main__."), int(at))
                assert function not in self.own, file
                self.own[function] = int(ns)
            elif key == "cfi":
                called_file = self.name("file", value)
            elif key == "cfn":
                called = self.name("function", value).removeprefix("__main__.")
            elif key == "calls":
                calls, target = map(int, value.split())
                at, ns = map(int, next(lines).split())
                assert at == function[1] and calls > 0 and called_file
                assert (function, (called, target)) not in self.calls
                self.calls[function, (called, target)] = calls, ns
                called_file = file
            else:
                assert line == ""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("callgrind")
    recorded.record(folder)
    return folder


def plain(function: recorded.Function) -> recorded.Function:
    """As the recording has it: functions of one name in a file have their line in it here."""
    name, line = function
    return name.removeprefix("other.").removesuffix(f":{line}"), line


def test_self_times_are_those_of_the_report(folder: Path):
    profile = Profile(recorded.dump(folder, "callgrind"))
    expected = recorded.totals(api.open(folder / "pyftrace.data"))
    assert profile.own.pop(TOP) == 0
    assert {plain(f): ns for f, ns in profile.own.items()} == {
        function: own for function, (_, _, own) in expected.items()
    }
    assert profile.summary == sum(profile.own.values())


def test_what_leads_to_a_function_is_its_calls_and_its_total(folder: Path):
    """The inclusive cost that callgrind_annotate and KCachegrind show; recursion counts once."""
    profile = Profile(recorded.dump(folder, "callgrind"))
    sums: dict[recorded.Function, tuple[int, int]] = {}
    for (_, function), (calls, ns) in profile.calls.items():
        before = sums.get(plain(function), (0, 0))
        sums[plain(function)] = before[0] + calls, before[1] + ns
    expected = recorded.totals(api.open(folder / "pyftrace.data"))
    assert sums == {function: (calls, total) for function, (calls, total, _) in expected.items()}


def test_each_call_is_between_those_of_the_events(folder: Path):
    profile = Profile(recorded.dump(folder, "callgrind"))
    found = {
        (None if caller == TOP else plain(caller), plain(function)): calls
        for (caller, function), (calls, _) in profile.calls.items()
    }
    expected = recorded.by_caller(api.open(folder / "pyftrace.data"))
    assert found == {pair: calls for pair, (calls, *_) in expected.items() if calls}


def test_functions_of_one_name_in_a_file_stay_two(folder: Path):
    own = Profile(recorded.dump(folder, "callgrind")).own
    assert {name for name, _ in own if name.startswith(("Box.size", "<lambda>"))} == {
        "Box.size:19", "Box.size:21", "<lambda>#1", "<lambda>#2",
    }  # fmt: skip


def test_files_below_the_folder_are_relative_to_it(folder: Path, tmp_path: Path):
    """callgrind_annotate does that to callers alone, and would have two functions of each."""
    assert re.search(
        r"^c?f[li]=\(\d+\) app\.py$", recorded.dump(folder, "callgrind").read_text(), re.M
    )
    out = recorded.dump(tmp_path, "callgrind", str(folder / "pyftrace.data"))
    assert f" {folder / 'app.py'}\n" in out.read_text()


def test_hostile_names_are_a_line_each(tmp_path: Path):
    hostile.write(tmp_path)
    recorded.record(tmp_path, (tmp_path / "app.py").read_text().replace("sys.exit(3)", ""))
    profile = Profile(recorded.dump(tmp_path, "callgrind"))
    assert len(profile.own) == hostile.ROWS + 1
