class Temperature:
    def __init__(self, celsius):
        self.celsius = celsius

    @property
    def kelvin(self):
        return self.celsius + 273

    @kelvin.setter
    def kelvin(self, value):
        self.celsius = value - 273


t = Temperature(0)
t.kelvin += 10
