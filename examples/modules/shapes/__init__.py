"""A package inside the program: its modules are user code like any other."""
