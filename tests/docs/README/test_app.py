"""What `pytest -x` finds."""


def test_it():
    from app.views import index

    assert index() == 1
