"""Deliberate faults of the sinks that recordings are walked into. What judges them is the suite's
own tests of what they give: at least one must fail."""

from oracle.faults import Fault

TIMELINE, SUMS, SPANS = (f"sink/{name}.c" for name in ("timeline", "sums", "spans"))
CHROME, PSTATS, HTML = "test_export_chrome.py", "test_export_pstats.py", "test_html.py"

EXPORT_FAULTS = (
    Fault(
        "timeline: a task on its thread's track",
        TIMELINE,
        (("call->task ? task_track(t, lane, call->task) : lane->track", "lane->track"),),
        suite=CHROME,
    ),
    Fault(
        "timeline: a call ends with the one before",
        TIMELINE,
        (("lane->last = call->time > lane->last ? call->time : lane->last;", ""),),
        suite=CHROME,
    ),
    Fault(
        "chrome: a length is an end",
        "sink/chrome.c",
        (("add_time(b, now - o->since);", "add_time(b, now);"),),
        suite=CHROME,
    ),
    Fault(
        "pairs: the caller's caller",
        SUMS,
        (("? lane->stack[lane->depth - 1].func", "? lane->stack[lane->depth / 2].func"),),
        suite=PSTATS,
    ),
    Fault(
        "pairs: recursion counted at each level",
        SUMS,
        (("if (!o->again) {\n        sum->total", "if (o->sum) {\n        sum->total"),),
        suite=PSTATS,
    ),
    Fault(
        "sums: going on is a call",
        SUMS,
        (("o != NULL && (call->way == FT_START || call->way == FT_C_CALL)", "o != NULL"),),
        suite=PSTATS,
    ),
    Fault(
        "chains: below the caller's caller",
        SUMS,
        (
            (
                "above > 0 ? lane->stack[above - 1].sum : 0",
                "above > 1 ? lane->stack[above - 2].sum : 0",
            ),
        ),
        suite="test_export_folded.py",
    ),
    Fault(
        "sums: self with what it called",
        SUMS,
        (("sum->self += ns > o->child ? ns - o->child : 0;", "sum->self += ns;"),),
        suite="test_export_folded.py",
    ),
    Fault(
        "spans: the end of the call before",
        SPANS,
        (
            (
                "uint64_t end = now > o->since ? now : o->since,",
                "uint64_t end = s->n ? s->items[s->n - 1].end : o->since,",
            ),
        ),
        suite=HTML,
    ),
    Fault(
        "spans: what is joined has no calls",
        SPANS,
        (("last->calls += next->calls;", ""),),
        suite=HTML,
    ),
    Fault(
        "events: the column for the line",
        "pyapi/batch.c",
        (("call->func->line,\n", "call->func->column,\n"),),
        suite="test_export_speedscope.py test_api_recording.py",
    ),
)  # fmt: skip
