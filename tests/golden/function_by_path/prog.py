import helper


def mine(x):
    return x


helper.run(mine)
mine(2)
