from pkg.db import query


def page():
    return query(" page ")
