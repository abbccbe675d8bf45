"""What was refused, counted together on either store: by node, ledger and reason; who looks after machines reads each sentence as it was."""

from protocol.node.refusals import refused_here, sealed_here
from protocol.place import SEALED
from protocol.problem import Refused
from tests.node.desk_kit import ROOT, VILLAGE, County, Node

STRANGER = "nfarr2222"


async def _refuse(node: Node, ledger: str, origin: str, refused: Refused, at_ms: int) -> None:
    async with node.journal.writing() as w:
        await w.quarantine(STRANGER, ledger, origin, refused, at_ms)


async def test_rows_of_one_reason_are_one_to_a_clerk_and_sealed_ones_are_one_to_who_may_know(on_either: County):
    root = await on_either.node("root")
    clerk, operator = root.actor("department", f"{ROOT}/u07"), root.actor("operator")
    assert await refused_here(root.journal, str, operator) == [] and await sealed_here(root.journal, root.actor("admin")) is None
    for seq, origin in enumerate(("a:1", "a:2"), start=1):
        await _refuse(root, VILLAGE, origin, Refused("lane_fork", lane=f"{VILLAGE} {origin}", seq=seq), 1_000 * seq)
        await _refuse(root, f"{ROOT}/{SEALED}/{STRANGER}", origin, Refused("signature_wrong"), 3_000 + seq)
    await _refuse(root, VILLAGE, "a:1", Refused("lane_fork", lane=f"{VILLAGE} a:1", seq=1), 5_000)
    (one,) = await refused_here(root.journal, str, clerk)
    assert (one.node, one.ledger, one.code, one.count, one.first_ms, one.last_ms) == (STRANGER, VILLAGE, "lane_fork", 3, 1_000, 5_000)
    assert VILLAGE not in one.why
    rows = await refused_here(root.journal, str, operator)
    assert [(row.count, f"{VILLAGE} a:{n}" in row.why) for n, row in enumerate(rows, start=1)] == [(2, True), (1, True)]
    *others, sealed = await refused_here(root.journal, str, root.actor("admin"))
    assert [row.why for row in others] == [row.why for row in rows]
    assert sealed == await sealed_here(root.journal, root.actor("discipline", f"{ROOT}/u12"))
    assert (sealed.node, sealed.name, sealed.ledger, sealed.code, sealed.count, sealed.first_ms) == ("", "", SEALED, "", 2, 3_001)
    for nobody in ("cadre", "discipline"):
        assert await refused_here(root.journal, str, root.actor(nobody)) == []
