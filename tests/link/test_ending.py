"""Closing a node ends all that it began, also where a part takes longer to leave than whoever waits for it has patience."""

import asyncio

from protocol.node.link.client import end, finished


async def test_what_is_below_is_ended_though_the_wait_above_it_is_cancelled_again_and_again():
    left = []

    async def leaf() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await finished(slowly())

    async def slowly() -> None:
        await asyncio.sleep(0.7)  # `end` cancels again each 0.2 s
        left.append("leaf")

    async def middle() -> None:
        task = asyncio.create_task(leaf())
        try:
            await asyncio.Event().wait()
        finally:
            await end([task])
            left.append("middle")

    task = asyncio.create_task(middle())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await end([task])
    assert task.done()
    assert left[0] == "leaf", "the part that takes its time was left behind"
    assert [one for one in asyncio.all_tasks() if one is not asyncio.current_task()] == []
