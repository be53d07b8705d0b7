"""Three tools want sys.settrace. There is one place: each tool throws the one before it out."""

import sys


def debugger(frame, event, arg):
    if event == "call":
        print(f"[Debugger] call {frame.f_code.co_name}")
    return debugger


def profiler(frame, event, arg):
    if event == "call":
        print(f"[Profiler] call {frame.f_code.co_name}")
    return profiler


def coverage(frame, event, arg):
    if event == "return":
        print(f"[Coverage] return {frame.f_code.co_name}")
    return coverage


def bar():
    return 20


def foo():
    bar()


def main():
    foo()
    bar()


sys.settrace(debugger)
sys.settrace(profiler)
sys.settrace(coverage)
main()
sys.settrace(None)

# $ python examples/talk/three_on_settrace.py
# [Coverage] return bar
# [Coverage] return foo
# [Coverage] return bar
# [Coverage] return main
