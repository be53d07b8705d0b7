import time

import pytest
import shop


def test_failing():
    shop.price("x", 1)


def test_slow():
    time.sleep(0.5)


@pytest.mark.pyftrace_record
def test_chosen():
    shop.price("tea", 1)
