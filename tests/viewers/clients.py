"""Where `make viewers` puts what it installs, and how a client is run."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
VIEWERS = ROOT / "build" / "viewers"
PICTURES = VIEWERS / "pictures"
MODULES = VIEWERS / "node_modules"


def run(cwd: Path, *words: str) -> str:
    """What a client prints; it must end well and say nothing on standard error."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PY")}
    done = subprocess.run(
        words, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout
