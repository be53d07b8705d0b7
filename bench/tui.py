"""Times of `pyftrace tui`: python bench/tui.py DIR, a recording of bench/tui_program.py, say."""

import asyncio
import resource
import sys
import time

BEGAN = time.perf_counter()

import pyftrace  # noqa: E402
from pyftrace.tui.app import Pyftrace  # noqa: E402


def ms(work, *words) -> float:
    """How long it takes, and the rows of the screen after it."""
    begin = time.perf_counter()
    work(*words)
    getattr(work.__self__, "visible_rows")()  # noqa: B009
    return 1000 * (time.perf_counter() - begin)


async def main(path: str) -> None:
    app = Pyftrace(pyftrace.open(path))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        view = app.view
        print(f"first screen {time.perf_counter() - BEGAN:.2f} s, imports included")
        print(f"end {ms(view.go_end):.1f} ms, start {ms(view.go_start):.1f} ms")
        print(f"fold {ms(view.fold, 0):.1f} ms, unfold {ms(view.fold, 1):.1f} ms")
        for what, step in (("down", 1), ("up", -1)):
            times = sorted(ms(view.page, step) for _ in range(300))
            print(f"page {what}: median {times[150]:.1f} ms, most {times[-1]:.1f} ms")
            view.go_end()
        print(f"middle {ms(view.reveal, view.calls.events // 2):.1f} ms")
        for what, text in (("found", "request"), ("not found", b"\0"), ("again", b"\0")):
            view.go_start()
            begin = time.perf_counter()
            app._search_name(text) if isinstance(text, str) else app._look_for(text)
            await app.workers.wait_for_complete()
            print(f"search, {what}: {time.perf_counter() - begin:.2f} s")
        view.go_start()
        view.fold(1 << 30)
        for pages in (500, 5000):
            begin = time.perf_counter()
            for _ in range(pages):
                view.start()
                view.page(1)
                view.render_lines(None)
            mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            took = 1000 * (time.perf_counter() - begin) / pages
            print(f"{pages} pages, all unfolded: {took:.1f} ms each, {mib:.0f} MiB at most")


asyncio.run(main(sys.argv[1]))
