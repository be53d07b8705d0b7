import sys


def f():
    return 1


def main():
    calls = []
    sys.setprofile(lambda frame, event, arg: calls.append((event, frame.f_code.co_name)))
    f()
    sys.setprofile(None)
    lines = []

    def tracer(frame, event, arg):
        lines.append((event, frame.f_code.co_name))
        return tracer

    sys.settrace(tracer)
    f()
    sys.settrace(None)
    print([c for c in calls if c[1] == "f"], [x for x in lines if x[1] == "f"])


main()
