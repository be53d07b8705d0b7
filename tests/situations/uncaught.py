def inner():
    return {}["missing"]


def main():
    inner()


main()
