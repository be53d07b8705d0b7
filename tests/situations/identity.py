# childless
import os
import pickle
import sys
import traceback

import __main__


class Thing:
    pass


def main():
    print(sys.argv, __name__, __file__, __main__.__dict__ is globals())
    print([os.path.basename(a) for a in sys.orig_argv[1:]], len(sys.path))
    print(pickle.loads(pickle.dumps(Thing())).__class__ is Thing)
    print(
        "PYFTRACE" in os.environ,
        sys.getrecursionlimit(),
        sorted(n for n in map(int, os.listdir("/proc/self/fd")) if n < 100),
    )
    traceback.print_stack()
    print(
        [
            m
            for m in ("argparse", "re", "json", "typing", "dataclasses", "runpy", "inspect")
            if m in sys.modules
        ]
    )


main()
