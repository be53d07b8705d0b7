import asyncio


async def fetch(name, rounds):
    for _ in range(rounds):
        await asyncio.sleep(0)
    return name


async def main():
    first = asyncio.create_task(fetch("first", 2))
    second = asyncio.create_task(fetch("second", 1))
    return [await first, await second]


asyncio.run(main())

# Each line begins with its task once there are several. The event loop's line (events.py:88)
# differs between Python versions.
#
# $ pyftrace examples/async_tasks.py
# Running script: examples/async_tasks.py
# Called main:10 from events.py:88
# Suspending main
# [Task-2] Called fetch:4 from events.py:88
# [Task-2] Suspending fetch
# [Task-3] Called fetch:4 from events.py:88
# [Task-3] Suspending fetch
# [Task-2] Resuming fetch:4 from events.py:88
# [Task-2] Suspending fetch
# [Task-3] Resuming fetch:4 from events.py:88
# [Task-3] Returning fetch-> 'second'
# [Task-2] Resuming fetch:4 from events.py:88
# [Task-2] Returning fetch-> 'first'
# [Task-1] Resuming main:10 from events.py:88
# [Task-1] Returning main-> ['first', 'second']
