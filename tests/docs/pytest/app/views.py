from app.db import query


def index():
    return query()
