# threads
import asyncio


async def agen(n):
    try:
        for i in range(n):
            yield i
            await asyncio.sleep(0)
    finally:
        print("agen done")


async def worker(name, n):
    total = 0
    async for i in agen(n):
        total += i
    print(name, total)
    return total


async def forever():
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        print("cancelled")
        raise


async def abandoned():
    async for i in agen(5):
        return i


async def main():
    task = asyncio.create_task(forever())
    print(await asyncio.gather(worker("a", 3), worker("b", 4), abandoned()))
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        print("gone")
    try:
        async with asyncio.timeout(0.001):
            await asyncio.sleep(30)
    except TimeoutError:
        print("timeout")


asyncio.run(main())
