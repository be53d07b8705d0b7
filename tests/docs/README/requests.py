"""In place of the library: it must be loaded to be counted."""


def get(url):
    raise OSError(url)
