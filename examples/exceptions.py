class ConfigError(Exception):
    pass


def parse(text):
    return int(text)


def load(text):
    try:
        return parse(text)
    except ValueError:
        raise ConfigError(f"not a number: {text}") from None


def load_all(texts):
    for text in texts:
        try:
            load(text)
        except ConfigError as error:
            print(error)


load_all(["7", "x"])

# A function left by an exception is Raising it; one that catches it returns.
#
# $ pyftrace examples/exceptions.py
# Running script: examples/exceptions.py
# Called ConfigError:1 from line 1
# Returning ConfigError-> None
# Called load_all:16 from line 24
#     Called load:9 from line 19
#         Called parse:5 from line 11
#         Returning parse-> 7
#     Returning load-> 7
#     Called load:9 from line 19
#         Called parse:5 from line 11
#         Raising parse-> ValueError: invalid literal for int() with base 10: 'x'
#     Raising load-> ConfigError: not a number: x
# not a number: x
# Returning load_all-> None
