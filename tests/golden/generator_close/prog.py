def source():
    try:
        yield 1
    finally:
        cleanup()


def cleanup():
    print("cleanup")


s = source()
next(s)
s.close()
unstarted = source()
unstarted.close()
