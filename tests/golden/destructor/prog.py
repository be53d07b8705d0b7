class Handle:
    def __del__(self):
        note("closed")


def note(text):
    print(text)


handle = Handle()
del handle
