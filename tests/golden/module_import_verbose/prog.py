def main():
    import helper

    return helper.value()


main()
