import shop

def test_price():
    assert shop.price("tea", 2) == 7
