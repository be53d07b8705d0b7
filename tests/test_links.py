"""No link of the documentation is dead: files, headings and pictures that Markdown leads to, and
files that prose and comments name. Of what leads outside only the form is looked at: `make docs
BUILDER=linkcheck` asks for it."""

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("*.md", "docs/**/*.md", "src/*.md", "bench/*.md", "examples/**/*.md")
NAMING = (
    *PAGES, "Makefile", "examples/**/*.py", "pyftrace/**/*.py", "src/**/*.[ch]", "tools/*",
    "bench/*.py", "tests/*.py",
)  # fmt: skip
FOLDERS = "bench|docs|examples|pyftrace|src|tests|tools"
NAMED = re.compile(rf"(?<![\w./*-])(?:{FOLDERS})/[\w./-]*\.(?:md|py|c|h|png|svg|sh|txt|1)\b")
PLACEHOLDERS = ("NAME", "VERB")  # stand for any


def files(root: Path, patterns: tuple[str, ...]) -> list[Path]:
    """Those of the clone; what was built or installed into it is not."""
    found = {path for pattern in patterns for path in root.glob(pattern) if path.is_file()}
    return sorted(path for path in found if "__pycache__" not in path.parts)


def prose(text: str) -> str:
    """Without code, in which brackets are no links."""
    text = re.sub(r"^(```+).*?^\1`*$", "", text, flags=re.S | re.M)
    text = re.sub(r"^ {4}.*$", "", text, flags=re.M)
    return re.sub(r"(`+)(?!`).+?(?<!`)\1(?!`)", "code", text)


def headings(page: Path) -> set[str]:
    """As a code host makes anchors of them."""
    text = re.sub(r"^(```+).*?^\1`*$", "", page.read_text(encoding="utf-8"), flags=re.S | re.M)
    found: set[str] = set()
    for heading in re.findall(r"^#{1,6} +(.+?) *$", text, re.M):
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        copies = [slug, *(f"{slug}-{i}" for i in range(1, len(found) + 1))]
        found.add(next(copy for copy in copies if copy not in found))
    return found


def is_dead(page: Path, target: str) -> bool:
    parts = urlsplit(target)
    if parts.scheme:
        return parts.scheme != "https" or not re.fullmatch(r"[\w-]+(\.[\w-]+)+", parts.netloc)
    file = page.parent / unquote(parts.path) if parts.path else page
    if not file.exists():
        return True
    return bool(parts.fragment) and (
        file.suffix != ".md" or unquote(parts.fragment) not in headings(file)
    )


def dead_links(root: Path) -> list[str]:
    """PAGE: TARGET of each."""
    return [
        f"{page.relative_to(root)}: {target}"
        for page in files(root, PAGES)
        for target in re.findall(
            r"\]\(<?([^()\s>]+)>?(?: \"[^\"]*\")?\)", prose(page.read_text(encoding="utf-8"))
        )
        if is_dead(page, target)
    ]


def dead_names(root: Path) -> list[str]:
    """FILE: NAME of each file that is named from the root of the clone, and is not there."""
    return [
        f"{file.relative_to(root)}: {name}"
        for file in files(root, NAMING)
        for name in NAMED.findall(file.read_text(encoding="utf-8", errors="replace"))
        if Path(name).stem not in PLACEHOLDERS
        and not (root / name).exists()
        and not (file.parent / name).exists()
    ]


def test_no_link_is_dead():
    assert dead_links(ROOT) == []


def test_files_that_are_named_are_there():
    assert dead_names(ROOT) == []


def test_every_page_is_looked_at():
    found = {str(page.relative_to(ROOT)) for page in files(ROOT, PAGES)}
    assert {"README.md", "CONTRIBUTING.md", "src/README.md", "docs/verbs/record.md"} <= found


@pytest.mark.parametrize(
    ("link", "dead"),
    [
        ("[x](b.md)", False),
        ("[x](b.md#a-heading-of-b)", False),
        ("[x](#here)", False),
        ("[x](#here-1)", False),
        ("![x](folder)", False),
        ("[x](https://peps.python.org/pep-0669/)", False),
        ("`[x](c.md)`", False),
        ("    [x](c.md)", False),
        ("```\n[x](c.md)\n```", False),
        ("[x](c.md)", True),
        ("[x](b.md#a-heading)", True),
        ("[x](#here-2)", True),
        ("![x](picture.png)", True),
        ("a line\n- [`x`](c.md 'title')", False),  # no link
        ('[`x`](c.md "title")', True),
        ("[x](http://example.org)", True),
        ("[x](https://localhost/)", True),
    ],
)
def test_a_dead_link_is_found(link: str, dead: bool, tmp_path: Path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "b.md").write_text("# A heading: of `b`?\n")
    (tmp_path / "README.md").write_text(f"# Here\n# Here\n{link}\n")
    assert bool(dead_links(tmp_path)) == dead


def test_a_dead_name_is_found(tmp_path: Path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "tour.md").write_text("`docs/tour.md`, `docs/conf.py`, a/docs/other.md")
    assert dead_names(tmp_path) == ["docs/tour.md: docs/conf.py"]
