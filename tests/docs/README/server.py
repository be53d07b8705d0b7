"""A server of two requests: one is slow, one fails."""

import time

import app

app.handle(lambda: time.sleep(0.2))
try:
    exec("app.handle(lambda: 1 / 0)")  # by a library that logs it
except ZeroDivisionError:
    pass
