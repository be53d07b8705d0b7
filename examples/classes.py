class Stack:
    def __init__(self, limit=10):
        self.items = []
        self.limit = limit

    def push(self, *items, front=False):
        for item in items:
            self.items.insert(0 if front else len(self.items), item)

    @property
    def full(self):
        return len(self.items) >= self.limit


stack = Stack(2)
stack.push("a", 1, front=True)
print(stack.full)

# The body of a class is code that runs too: it is called by the class statement.
#
# $ pyftrace --args examples/classes.py
# Running script: examples/classes.py
# Called Stack:1() from line 1
# Returning Stack-> None
# Called Stack.__init__:2(self=<__main__.Stack object>, limit=2) from line 15
# Returning Stack.__init__-> None
# Called Stack.push:6(self=<__main__.Stack object>, *items=('a', 1), front=True) from line 16
# Returning Stack.push-> None
# Called Stack.full:10(self=<__main__.Stack object>) from line 17
# Returning Stack.full-> True
# True
#
# $ pyftrace --function '*.push' --values none examples/classes.py
# Running script: examples/classes.py
# Called Stack.push:6 from line 16
# Returning Stack.push
# True
