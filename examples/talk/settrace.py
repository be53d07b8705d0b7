"""sys.settrace: one function gets every event of every frame."""

import sys


def show(frame, event, arg):
    if event == "call":
        print(f"[Call] {frame.f_code.co_name}")
    elif event == "return":
        print(f"[Return] {frame.f_code.co_name}")
    return show


def bar():
    return 20


def foo():
    bar()


def main():
    foo()
    bar()


sys.settrace(show)
main()
sys.settrace(None)

# $ python examples/talk/settrace.py
# [Call] main
# [Call] foo
# [Call] bar
# [Return] bar
# [Return] foo
# [Call] bar
# [Return] bar
# [Return] main
