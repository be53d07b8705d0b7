def run(callback):
    return callback()
