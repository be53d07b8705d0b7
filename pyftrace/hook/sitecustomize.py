"""Put in front of PYTHONPATH where pyftrace's start-up hook is not installed: takes itself out of
the way, runs the sitecustomize that it stands before, and arms the engine."""

import importlib.util
import os
import sys


def _take_out() -> str:
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != here]
    rest = os.environ.get("PYTHONPATH", "").split(os.pathsep)[1:]
    if rest:
        os.environ["PYTHONPATH"] = os.pathsep.join(rest)
    else:
        os.environ.pop("PYTHONPATH", None)
    os.environ.pop("PYFTRACE_FALLBACK", None)
    return os.path.dirname(here)


def _load_package(folder: str) -> None:
    spec = importlib.util.spec_from_file_location(
        "pyftrace", os.path.join(folder, "__init__.py"), submodule_search_locations=[folder]
    )
    if spec is not None and spec.loader is not None:
        module = importlib.util.module_from_spec(spec)
        sys.modules["pyftrace"] = module
        spec.loader.exec_module(module)


def _chain() -> None:
    sys.modules.pop("sitecustomize", None)
    try:
        import sitecustomize  # noqa: F401  (the user's own)
    except ModuleNotFoundError as error:
        if error.name != "sitecustomize":
            raise


if "PYFTRACE_FALLBACK" in os.environ:
    _folder = _take_out()
    _load_package(_folder)
    from pyftrace import _boot

    _boot.start()
    _chain()
