class Pause:
    def __await__(self):
        yield "paused"
        return 1


async def fetch():
    return await Pause()


async def main():
    return await fetch() + 1


c = main()
c.send(None)
try:
    c.send(None)
except StopIteration as stop:
    print(stop.value)
