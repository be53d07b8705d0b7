"""Pages of the documentation that name programs which are not everywhere: here they are."""

from pathlib import Path

import pytest
from pages import OTHERS, check, pages

PAGES = {page: text for page, text in pages().items() if any(f"{o} " in text for o in OTHERS)}


@pytest.mark.parametrize("page", PAGES)
def test_what_the_page_shows_happens(page: str, tmp_path: Path):
    wrong = check(page, PAGES[page], tmp_path, others=True)
    if wrong:
        pytest.fail("\n\n".join(wrong), pytrace=False)
