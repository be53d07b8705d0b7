import io

import pyftrace


def helper(x):
    return x


def middle(x):
    return helper(x)


def main():
    out = io.StringIO()
    with pyftrace.report() as r, pyftrace.trace(file=out):
        for i in range(3):
            middle(i)
    print(r.calls("helper"), r.calls("middle"), out.getvalue().count("Called helper"))
    traced = pyftrace.trace(middle, file=out)
    print(traced(5))
    pyftrace.stop()


main()
