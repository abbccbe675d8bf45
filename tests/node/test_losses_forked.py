"""What came by another history of a lane is not lost: nobody is asked to register it again, before it is adopted or after."""

from protocol.events import facts_of
from protocol.node.losses import Gap, Lost, losses
from tests.node.desk_kit import VILLAGE, County, Node, exchange
from tests.node.test_forks import beside, bring, forked_apart


async def lost(node: Node) -> Lost:
    (one,) = await losses(node.journal, node.shelf, node.actor())
    return one


async def test_what_stands_beside_a_lane_is_here_before_it_is_adopted_and_after(county: County):
    """Of the computer itself 3 entries are in the lane, of its copy 3 and 4 beside it; one of them said that it had 6."""
    village, clone, _town, root = await forked_apart(county)
    again, origin = await county.node("village again"), village.signer.origin
    await bring(clone, root)
    heads = {key: head for key, head in (await root.journal.heads()).items() if key[1] == origin}
    assert [head.seq for head in heads.values()] == [3]
    last, hashes = [(*key, head.seq) for key, head in heads.items()], {key: head.hash for key, head in heads.items()}
    await root.desk.revoke_node(village.signer.node, last, "复制", hashes, [(VILLAGE, origin, 6)], 0)
    await exchange(root, again)
    await bring(clone, again, root.signer.node)
    rows = [row for row in await beside(again) if row.head.kind == "DisputeLogged"]
    for is_adopted in (False, True):
        if is_adopted:
            for row in rows:
                await again.desk.adopt(row, again.actor())
            await exchange(again, root)
        for node in (root, again):
            found = await lost(node)
            assert (found.gaps, found.count) == ((Gap(VILLAGE, origin, 5, 6),), 2)
            assert found.held == 5, "3 in the lane, 2 beside it"
            assert found.last_code == facts_of(rows[-1].head).code, "a slip with this number is here: it is not to be registered again"
