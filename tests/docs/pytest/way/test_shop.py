import shop
def big(n):
    [shop.price("tea", i) for i in range(n)]
    return n
def test_way():
    big(50)
    big(51)
    shop.price("x", 1)
