"""In a real Jupyter kernel: the tree stands in its cell, cell after cell; a report has a table."""

import pytest

pytest.importorskip("ipykernel")
nbclient = pytest.importorskip("nbclient")
nbformat = pytest.importorskip("nbformat")

CELLS = [
    "import pyftrace\ndef inner(x):\n    return x + 1\ndef outer(x):\n    return inner(x)",
    "pyftrace.trace(outer)(1)",
    "pyftrace.trace(outer, args=True, depth=1)(2)",
    "with pyftrace.report() as r:\n    outer(1); outer(2)\nr",
    "pyftrace.start()\nouter(5)",
    "outer(6)\npyftrace.stop()",
    "outer(7)",
]


def texts(cell):
    return "".join(o["text"] for o in cell.outputs if o.output_type == "stream")


def test_cells(tmp_path):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in CELLS])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "", "language": "python"}
    nbclient.NotebookClient(
        notebook, timeout=60, resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    cells = notebook.cells
    assert texts(cells[1]) == (
        "Called outer:4 from line 1\n    Called inner:2 from line 5\n"
        "    Returning inner-> 2\nReturning outer-> 2\n"
    )
    assert texts(cells[2]) == "Called outer:4(x=2) from line 1\nReturning outer-> 3\n"
    html = next(o for o in cells[3].outputs if o.output_type == "execute_result")["data"]
    assert "<table>" in html["text/html"] and ">outer<" in html["text/html"]
    assert "Call Count" in html["text/plain"] or "Counting" in html["text/plain"]
    assert "Called inner:2" in texts(cells[4]) and "-> 6" in texts(cells[4])
    assert "-> 7" in texts(cells[5]) and "-> 6" not in texts(cells[5])
    assert texts(cells[6]) == ""
