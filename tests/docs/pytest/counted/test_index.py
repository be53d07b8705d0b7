from app.views import index


def test_index(calls):
    with calls.same_as("index.json", "app.*"):
        index()
