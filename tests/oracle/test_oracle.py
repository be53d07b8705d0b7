"""The oracle's short form; tests/oracle/run and tests/oracle/mutants are the long ones."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from oracle import checks, faults, related, timed
from oracle.build import ROOT, Built
from oracle.export_faults import EXPORT_FAULTS

TESTS = Path(__file__).resolve().parent.parent


@pytest.mark.skipif(
    not getattr(sys, "_is_gil_enabled", lambda: True)(),
    reason="without the GIL an object dies now in one run, and a little later in another",
)
@pytest.mark.parametrize("block", range(4))
def test_generated_programs_agree_in_every_way(block: int, nothing_left_on):
    result = checks.check(range(block * 50, block * 50 + 50), whole=True)
    assert result.failures == {}
    assert result.events > 5000
    assert set(result.compared.values()) == {50}


def test_generated_programs_equal_setprofile(nothing_left_on):
    result = checks.check(range(1000, 1300))
    assert result.failures == {}
    assert result.programs == 300


def test_known_programs_are_seen_as_they_are(nothing_left_on):
    assert timed.check(range(150)) == {}


def test_a_ring_is_the_end_of_all(nothing_left_on):
    assert related.ring_is_a_suffix(range(100, 120)) == []


def test_times_are_as_the_clock_says(tmp_path: Path):
    lib = Built(tmp_path, defines=("FT_TEST_CLOCK",)).link("lib")
    done = subprocess.run(
        [sys.executable, "-P", "-m", "oracle.timed", "1000", "1100"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join((str(lib), str(TESTS)))},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert (done.stdout, done.stderr) == ("with its clock: 100 programs, 0 differ\n", "")
    assert done.returncode == 0


@pytest.mark.parametrize("fault", (*faults.FAULTS, *EXPORT_FAULTS), ids=lambda fault: fault.name)
def test_each_fault_can_be_made(fault: faults.Fault, tmp_path: Path):
    fault.apply(ROOT / "src", tmp_path / "fault.c")
    assert (fault.units != ()) == fault.file.endswith(".h")
    for unit in fault.units:
        assert f'#include "{fault.file}"' in (ROOT / "src" / unit).read_text()
