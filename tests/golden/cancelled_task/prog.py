import asyncio


async def wait():
    await asyncio.sleep(60)


async def main():
    task = asyncio.create_task(wait(), name="waiter")
    await asyncio.sleep(0)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        return "cancelled"


asyncio.run(main())
