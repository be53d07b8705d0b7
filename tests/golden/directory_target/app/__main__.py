import part


def main():
    return part.one()


main()
