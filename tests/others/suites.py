"""What is run beside the test modules that short.txt and long.txt name."""

from dataclasses import dataclass

# Modules that a script here runs, in the place of `-m test`.
RUN_BY = {"test_monitoring": "beside_a_tool.py"}


@dataclass(frozen=True)
class Suite:
    """A package's own tests: the sdist that carries them, what they need, pytest's words."""

    name: str
    version: str
    needs: tuple[str, ...]
    words: tuple[str, ...]


# Left out of sqlglot: what needs duckdb, which is not pure Python, and what builds its C form.
SUITES = (
    Suite("attrs", "26.1.0", ("hypothesis", "cloudpickle"), ("--hypothesis-seed=0", "tests")),
    Suite(
        "sqlglot",
        "30.30.0",
        ("pytz",),
        (
            "--ignore=tests/test_executor.py",
            "--ignore=tests/test_optimizer.py",
            "--ignore=tests/test_sqlglotc.py",
            "tests",
        ),
    ),
)
