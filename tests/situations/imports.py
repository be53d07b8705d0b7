import importlib
import os
import shutil
import sys
import tempfile


def main():
    folder = tempfile.mkdtemp()
    with open(os.path.join(folder, "late_module.py"), "w") as f:
        f.write("def g():\n    return 5\nvalue = g()\n")
    with open(os.path.join(folder, "broken_module.py"), "w") as f:
        f.write("raise ValueError('broken')\n")
    sys.path.insert(0, folder)
    importlib.invalidate_caches()
    import late_module

    print(late_module.g())
    importlib.reload(late_module)
    try:
        import broken_module  # noqa: F401
    except ValueError as e:
        print(e)
    try:
        import no_such_module  # noqa: F401
    except ImportError as e:
        print(e)
    shutil.rmtree(folder)


main()
