"""A village's computer was put out; what it had not sent is handed in at the place's new computer, whose office holds the cases."""

from protocol.commands import AcceptDispute, AddNote, EscalateDispute, GivePost, RecordMediation, RegisterPerson
from tests.edge.rig import PASSWORD, Rig, WebNode
from tests.node.desk_kit import TOWN, VILLAGE, batch_of, new_id, person_id


async def put_out(rig: Rig) -> tuple[str, str]:
    """(a case that had been sent, one that had not). rig.nodes["again"] is the new computer; it has heard all but the unsent work."""
    root, old = rig.nodes["root"], rig.nodes["village"]
    sent = await rig.log("village", 0)
    await rig.say("village", AcceptDispute(id=new_id(), case=sent))
    await rig.everywhere()
    rig.nodes["again"] = again = WebNode(await rig.county.node("village again"))
    rig.persons["again"] = rig.persons["village"]
    heads = await root.journal.heads()
    last = [(*lane, head.seq) for lane, head in heads.items() if lane[1].startswith(old.signer.node)]
    await root.desk.revoke_node(old.signer.node, last, "电脑丢了")
    await root.desk.enrol_node(rig.county.certificate("village again"))
    for target in ("again", "town"):
        await rig.deliver("root", target)
    await again.people.add_account("wangfang", rig.persons["village"][0], PASSWORD, rig.county.clock())
    unsent = await rig.log("village", 2)
    await rig.say("village", AcceptDispute(id=new_id(), case=unsent))
    await rig.say(
        "village", RecordMediation(id=new_id(), case=sent, account="在地头说了一下午，两边都肯让一点。", result="go_on", present="双方")
    )
    await rig.say("village", AddNote(id=new_id(), case=sent, text="断网那天记的：界石还在。"))
    await rig.say("village", EscalateDispute(id=new_id(), case=unsent, to=TOWN, reason="人多，村里调不动。"))
    admin = old.node.actor("admin", VILLAGE)
    await old.desk.submit(RegisterPerson(id=new_id(), person=person_id("盛小明"), office=VILLAGE, name="盛小明", phone=""), admin)
    given = GivePost(id=new_id(), post="mediator.0000abcd", person=person_id("盛小明"), office=VILLAGE, title="调解员")
    await old.desk.submit(given, admin)
    return sent, unsent


async def hand_in(rig: Rig, *kinds: str) -> None:
    old = rig.nodes["village"]
    for kind in kinds:
        taker = rig.nodes[kind]
        here = (await taker.journal.heads(VILLAGE))[VILLAGE, old.signer.origin].seq
        await taker.admission.admit(await batch_of(old.node, VILLAGE, old.signer.origin, here), old.signer.node, by_hand=True)
