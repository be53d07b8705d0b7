class AppError(Exception):
    pass


class Loud(Exception):
    def __str__(self):
        return "shouted"


def fail(error):
    raise error


def attempt(error):
    try:
        fail(error)
    except Exception:
        return


attempt(AppError("no", 1))
attempt(Loud("quiet"))
attempt(ValueError())
attempt(ValueError([attempt]))
attempt(OSError(2, "missing", "file.txt"))
attempt(KeyError("k"))
