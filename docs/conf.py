"""How Sphinx makes the site: `make docs`.

The source is the whole clone, so that a link from one Markdown file to another is the same on a
code host, in a clone and here."""

from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx

from pyftrace._version import __version__

project = "pyftrace"
author = copyright = "The pyftrace authors"
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]
root_doc = "docs/index"
include_patterns = [
    "docs/**", "README.md", "README.ko.md", "CONTRIBUTING.md", "CHANGELOG.md", "src/README.md",
    "bench/README.md",
]  # fmt: skip
# Not looked into at all; Sphinx would walk through them.
exclude_patterns = [
    ".*", "build", "dist", "*.egg-info", "tests", "pyftrace", "examples", "**/__pycache__",
]  # fmt: skip

nitpicky = True
# Named in signatures, and told of elsewhere or nowhere.
nitpick_ignore_regex = [
    ("py:.*", r"collections\.abc\..*|(pyftrace\.(\w+\.)?)?[PR]|(.*\.)?_\w+|(os\.)?PathLike"),
]

myst_heading_anchors = 4
highlight_language = "none"

autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "undoc-members": False}
maximum_signature_line_length = 80
add_module_names = False

html_theme = "furo"
html_title = f"pyftrace {version}"
html_copy_source = False
html_additional_pages = {"index": "to-index.html"}
templates_path = ["templates"]


def setup(app: Sphinx) -> None:
    """A block of bytes is no language that Pygments knows."""
    app.add_lexer("hex", TextLexer)
