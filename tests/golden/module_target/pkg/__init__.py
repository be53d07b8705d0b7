def setup():
    return "package"


NAME = setup()
