from app.db import query


def index():
    return [query(n) for n in range(3)]
