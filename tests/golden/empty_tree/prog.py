import lib

print(lib.one())
