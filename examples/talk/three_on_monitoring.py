"""Three tools on sys.monitoring: each has an id and gets the events it asks for, and only those."""

import sys

monitoring = sys.monitoring
events = monitoring.events

DEBUGGER = monitoring.DEBUGGER_ID
COVERAGE = monitoring.COVERAGE_ID
PROFILER = monitoring.PROFILER_ID


def debugger_start(code, offset):
    print(f"[Debugger] start {code.co_name}")


def coverage_return(code, offset, value):
    print(f"[Coverage] return {code.co_name}")


def profiler_call(code, offset, called, arg):
    print(f"[Profiler] {code.co_name} calls {called.__name__}")


def bar():
    return 20


def foo():
    bar()


def main():
    foo()
    bar()


tools = [
    (DEBUGGER, "debugger", events.PY_START, debugger_start),
    (COVERAGE, "coverage", events.PY_RETURN, coverage_return),
    (PROFILER, "profiler", events.CALL, profiler_call),
]
for tool, name, event, callback in tools:
    monitoring.use_tool_id(tool, name)
    monitoring.register_callback(tool, event, callback)
    for function in (main, foo, bar):  # events can be switched on for single functions
        monitoring.set_local_events(tool, function.__code__, event)

main()

for tool, _, event, _ in tools:
    for function in (main, foo, bar):
        monitoring.set_local_events(tool, function.__code__, monitoring.events.NO_EVENTS)
    monitoring.register_callback(tool, event, None)
    monitoring.free_tool_id(tool)

# $ python examples/talk/three_on_monitoring.py
# [Debugger] start main
# [Profiler] main calls foo
# [Debugger] start foo
# [Profiler] foo calls bar
# [Debugger] start bar
# [Coverage] return bar
# [Coverage] return foo
# [Profiler] main calls bar
# [Debugger] start bar
# [Coverage] return bar
# [Coverage] return main
