from shop import Basket


def test_two_teas_for_the_price_of_one():
    basket = Basket()
    basket.add("tea", 2)
    assert basket.total() == 3
