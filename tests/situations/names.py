def f():
    return 1


def ünïcödé(ärg):
    return ärg


def main():
    for name in ("a\nb", "x\x1b[31mred", "q\"'", "</script>", "\udc80", "", "n\x00n", "\u202eabc"):
        g = type(f)(f.__code__.replace(co_name=name, co_qualname=name), globals())
        g()
    g = type(f)(f.__code__.replace(co_filename="we\nird\x1b.py"), globals())
    g()
    print(ünïcödé("é"))


main()
