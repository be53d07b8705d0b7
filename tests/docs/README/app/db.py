def query():
    return 1
