"""In the place of pyperf: runs nothing, but remembers what a benchmark would have run. So are
pyperformance's programs, unmodified, measured within one process beside others."""

import argparse
import time

perf_counter = time.perf_counter


class Runner:
    """What of pyperf.Runner the programs use."""

    found: list[tuple[str, object]] = []  # noqa: RUF012 (shared on purpose)

    def __init__(self, add_cmdline_args=None, **_):
        self.metadata = {}
        self.argparser = argparse.ArgumentParser()

    def parse_args(self):
        return self.argparser.parse_args([])

    def bench_func(self, name, func, *args, **_):
        self.found.append((name, lambda: func(*args)))

    def bench_time_func(self, name, func, *args, **_):
        self.found.append((name, lambda: func(1, *args)))
