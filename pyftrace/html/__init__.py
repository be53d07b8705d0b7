"""The page of ``pyftrace html``: one file that needs nothing else. Its script is the files of
:data:`SCRIPTS`, one after the other; what it shows is a block of JSON (:mod:`pyftrace.html.data`)
that only ever becomes text."""

import hashlib
import json
import re
from base64 import b64encode
from collections.abc import Iterator
from html import escape
from importlib.resources import files
from typing import Any

# In this order: each uses only what stands before it, but within functions.
SCRIPTS = (
    "base.js", "model.js", "surface.js", "modes.js", "flame.js", "timeline.js", "table.js",
    "details.js", "viewer.js",
)  # fmt: skip


def page(data: dict[str, Any]) -> Iterator[str]:
    """The page's text, in parts."""
    script = "'use strict';\n" + "\n".join(map(_file, SCRIPTS))
    style = _file("viewer.css")
    policy = "; ".join((
        "default-src 'none'", f"script-src {_hash(script)}", f"style-src {_hash(style)}",
        "base-uri 'none'", "form-action 'none'",
    ))  # fmt: skip
    parts = {
        "policy": policy,
        "title": escape(data["title"]),
        "style": style,
        "script": script,
        "data": block(data),
    }
    for i, part in enumerate(re.split(r"@@(\w+)@@", _file("page.html"))):
        yield parts[part] if i % 2 else part


def block(data: dict[str, Any]) -> str:
    """JSON that is no markup wherever it stands: ASCII without ``<``, ``>`` and ``&``."""
    text = json.dumps(data, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _file(name: str) -> str:
    return files(__name__).joinpath(name).read_text("utf-8")


def _hash(text: str) -> str:
    """As a policy names an inline script or style."""
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
