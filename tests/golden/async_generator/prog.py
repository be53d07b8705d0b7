import asyncio


async def numbers():
    yield 1
    await asyncio.sleep(0)
    yield 2


async def main():
    async for n in numbers():
        use(n)


def use(n):
    return n


asyncio.run(main())
