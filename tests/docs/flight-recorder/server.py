"""What a server does in a second, one of its requests being slow."""

import time

import app

app.handle(lambda: time.sleep(0.2))
app.handle(int)
