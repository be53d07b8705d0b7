"""sys.setprofile: calls and returns only, those of C functions too."""

import sys

WORDS = {
    "call": "[Call]",
    "return": "[Return]",
    "c_call": "[C Call]",
    "c_return": "[C Return]",
    "c_exception": "[C Raise]",
}


def show(frame, event, arg):
    if arg is sys.setprofile:
        return  # the call that switches us off
    name = arg.__name__ if event.startswith("c_") else frame.f_code.co_name
    print(WORDS[event], name)


def bar():
    return len("twenty")


def foo():
    bar()


def main():
    foo()
    bar()


sys.setprofile(show)
main()
sys.setprofile(None)

# $ python examples/talk/setprofile.py
# [Call] main
# [Call] foo
# [Call] bar
# [C Call] len
# [C Return] len
# [Return] bar
# [Return] foo
# [Call] bar
# [C Call] len
# [C Return] len
# [Return] bar
# [Return] main
