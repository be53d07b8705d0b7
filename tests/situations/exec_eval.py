def helper(x):
    return x + 1


def main():
    space = {"helper": helper}
    exec("def f(y):\n    return helper(y)\nr = f(2)", space)
    print(space["r"], eval("helper(3)", space))
    code = compile("class A:\n    x = helper(1)\n", "<generated>", "exec")
    exec(code, space)
    print(space["A"].x)
    T = type("T", (), {"m": lambda self: "m"})
    print(T().m())
    for i in range(50):
        exec(f"def g{i}(): return {i}\ng{i}()", {})


main()
