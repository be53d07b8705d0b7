"""What became of each test, what differs between two runs, and what of that is allowed."""

import fnmatch
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

# Names that stand for the run of a whole module.
NOTHING_RAN = ("0", "4")  # exit statuses of a module that is skipped as a whole; test's is 4
WHOLE = "(whole)"  # how it ended, where it left no results at all
STATUS = "(status)"  # its exit status, where no test differs
RECORDING = "(recording)"  # whether what was recorded can be read

WORST = ("passed", "skipped", "failed")
# regrtest writes a test of which only a sub-test failed without its name: the log has it.
FAILED_LINE = re.compile(r"^(?:FAIL|ERROR|UNEXPECTED SUCCESS): (\S+) \(([\w.<>]+)\)", re.M)
ADDRESS = re.compile(r"0x[0-9a-fA-F]+")


@dataclass
class Outcome:
    """One run of one module."""

    tests: dict[str, str] = field(default_factory=dict)  # name: one of WORST
    ended: str = ""  # "0", "1", "killed by signal 11", "timed out"
    seconds: float = 0.0


@dataclass(frozen=True)
class Difference:
    test: str  # "MODULE NAME"
    untraced: str
    traced: str


def read_results(xml: Path, log: str) -> dict[str, str]:
    """The tests of a JUnit file, each by its name; none if there is no file."""
    try:
        cases = list(ElementTree.parse(xml).iter("testcase"))
    except (OSError, ElementTree.ParseError):
        return {}
    tests: dict[str, str] = {}

    def note(name: str, status: str) -> None:
        name = ADDRESS.sub("0x", name)
        tests[name] = max(status, tests.get(name, WORST[0]), key=WORST.index)

    for case in cases:
        name = ".".join(x for x in (case.get("classname"), case.get("name")) if x)
        bad = case.get("outcome") or any(x.tag in ("failure", "error") for x in case)
        skipped = any(x.tag == "skipped" for x in case)
        if name:
            note(name, "failed" if bad else "skipped" if skipped else "passed")
    for name, where in FAILED_LINE.findall(log):
        note(where if where.endswith(f".{name}") else f"{where}.{name}", "failed")
    return tests


def differences(module: str, untraced: Outcome, traced: Outcome) -> list[Difference]:
    """Every test that ended otherwise. A run that left nothing is one difference, not hundreds;
    so is a module of which nothing can be said, as neither run left anything."""
    if not traced.tests or not untraced.tests:
        same = (untraced.ended, bool(untraced.tests)) == (traced.ended, bool(traced.tests))
        if same and untraced.ended in NOTHING_RAN:
            return []
        return [Difference(f"{module} {WHOLE}", untraced.ended, traced.ended)]
    found = []
    for name in sorted(untraced.tests.keys() | traced.tests.keys()):
        before, after = untraced.tests.get(name, "absent"), traced.tests.get(name, "absent")
        if before != after:
            found.append(Difference(f"{module} {name}", before, after))
    if not found and untraced.ended != traced.ended:
        found.append(Difference(f"{module} {STATUS}", untraced.ended, traced.ended))
    return found


@dataclass(frozen=True)
class Allowed:
    """A line of the allow-list: `MODULE NAME [VERSION ...] [flaky]: reason`."""

    module: str
    pattern: str
    versions: frozenset[str]
    flaky: bool
    reason: str
    line: int

    def matches(self, test: str) -> bool:
        module, _, name = test.partition(" ")
        if module != self.module:
            return False
        # Square brackets are pytest's parameters here, not a set of characters.
        return fnmatch.fnmatchcase(name, self.pattern.replace("[", "[[]"))


def read_allowed(text: str) -> list[Allowed]:
    """The allow-list; ValueError says which line is wrong."""
    entries = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        head, colon, reason = line.partition(": ")
        words = head.split()
        more = set(words[2:])
        versions = {word for word in more if re.fullmatch(r"3\.\d+", word)}
        if len(words) < 2 or not colon or not reason.strip() or more - versions - {"flaky"}:
            raise ValueError(f"line {number}: not `MODULE NAME [3.N ...] [flaky]: reason`: {line}")
        entries.append(
            Allowed(
                words[0],
                words[1],
                frozenset(versions),
                "flaky" in more,
                reason.strip(),
                number,
            )
        )
    return entries


def split(
    found: Iterable[Difference], entries: list[Allowed], version: str
) -> tuple[list[Difference], list[tuple[Difference, Allowed]], set[Allowed]]:
    """(not allowed, allowed with the entry that does, the entries that did)."""
    new, allowed, used = [], [], set()
    for difference in found:
        for entry in entries:
            if entry.versions and version not in entry.versions:
                continue
            if entry.matches(difference.test):
                allowed.append((difference, entry))
                used.add(entry)
                break
        else:
            new.append(difference)
    return new, allowed, used


def stale(
    entries: list[Allowed], used: set[Allowed], modules: Iterable[str], version: str
) -> list[Allowed]:
    """Entries for this Python and these modules that allowed nothing, the flaky ones aside."""
    ran = set(modules)
    return [
        entry
        for entry in entries
        if entry.module in ran
        and entry not in used
        and not entry.flaky
        and (not entry.versions or version in entry.versions)
    ]
