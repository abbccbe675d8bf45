"""Of a lane with two histories: what goes on from ours belongs into the lane, by whichever way it came."""

from collections.abc import Iterable
from types import SimpleNamespace

import pytest

from protocol import batch as batches
from protocol.node.forks import Wanted
from protocol.node.journal import branches as kept
from protocol.node.link.branches import Branches
from protocol.problem import Refused
from tests.node.desk_kit import VILLAGE, County, Node, batch_of, carry, dispute


async def test_what_goes_on_from_the_lane_is_taken_into_it_and_the_rest_is_kept_beside(county: County):
    """Two copies answer to one name, so a pull may meet the wrong one each time: asked by its end, only the right one answers."""
    village, clone, town = await county.node("village"), await county.node("village", folder="clone"), await county.node("town")
    await village.say(dispute())
    await carry(village, clone)
    await clone.say(dispute(account="另一台机器上写的。"))
    await village.say(dispute())
    await carry(village, town)
    with pytest.raises(Refused, match="lane_fork"):
        await town.admission.admit(await batch_of(clone, VILLAGE, clone.signer.origin), clone.signer.node)
    heads = {lane: head for lane, head in (await town.journal.heads()).items() if lane[0] == VILLAGE}

    async def refresh(ledgers: Iterable[str]) -> None:
        heads.update(await town.journal.heads(*ledgers))

    ground = SimpleNamespace(admission=town.admission, head=lambda *lane: heads[lane], refresh=refresh)
    asking, origin = Branches(ground, town.forks, lambda *_: None, lambda: None), village.signer.origin

    async def comes_from(node: Node) -> tuple[int, bytes]:
        await node.say(dispute())
        end = (await node.journal.lanes(VILLAGE))[origin]
        piece = await node.forks.piece(VILLAGE, origin, *end, 500)
        assert await asking._taken(node.signer.node, Wanted(VILLAGE, origin, *end, node.signer.node), batches.pack(piece))
        return end

    async def beside() -> list[int]:
        async with town.journal.read() as c:
            return [row.seq for row in await kept.branched(c, "order by seq", {})]

    before = await beside()
    end = await comes_from(village)
    assert (await town.journal.lanes(VILLAGE))[origin] == end
    assert await beside() == before, "and nowhere else"
    await comes_from(clone)
    assert (await town.journal.lanes(VILLAGE))[origin] == end
    assert await beside() == [*before, before[-1] + 1]
