"""CSV has what jsonl has."""

import csv
import io
import json
from pathlib import Path

import hostile
import recorded


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_bytes().decode(), newline=""), strict=True))


def cell(value: object) -> str:
    text = hostile.shown(str(value))
    return "'" * (isinstance(value, str) and text[:1] in tuple("=+-@")) + text


def test_rows_are_the_objects_of_jsonl(tmp_path: Path):
    recorded.record(tmp_path, recorded.PROGRAM, "--args", "--values=safe", "--callers")
    objects = list(map(json.loads, recorded.dump(tmp_path, "jsonl").read_text().splitlines()))
    found = rows(recorded.dump(tmp_path, "csv"))
    assert len(found) > 2 * sum(recorded.CALLS.values())
    names = set().union(*objects) | {"count"}
    assert found[0].keys() == names
    assert found == [
        {name: cell(o[name]) if name in o else "" for name in found[0]} for o in objects
    ]


def test_nothing_in_it_is_run_by_a_spreadsheet(tmp_path: Path):
    hostile.write(tmp_path)
    program = (tmp_path / "app.py").read_text().replace("sys.exit(3)", "")
    recorded.record(tmp_path, program, "--args", "--values=safe")
    text = recorded.dump(tmp_path, "csv").read_bytes().decode()
    hostile.lines_of(text.replace("\r\n", "\n"))
    titles, *cells = csv.reader(io.StringIO(text, newline=""), strict=True)
    assert {len(row) for row in cells} == {len(titles)}
    assert len(cells) == hostile.EVENTS
    assert not [value for row in cells for value in row if value[:1] in tuple("=+-@\t\r")]
    assert {cell(name) for name in hostile.NAMES} <= {
        row[titles.index("function")] for row in cells
    }


def test_events_that_are_missing_are_a_row(tmp_path: Path):
    program = "def f(): pass\nfor i in range(500_000): f()\n"
    recording = recorded.record(tmp_path, program, "--ring", "256k")
    first, *others = rows(recorded.dump(tmp_path, "csv", message=recorded.INCOMPLETE))
    assert first["event"] == "lost" and int(first["count"]) == recording.missing() > 0
    assert not first["function"] and {row["event"] for row in others} == {"start", "return"}
