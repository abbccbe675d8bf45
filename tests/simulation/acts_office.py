"""People, law, tables, other histories: what changes who may act and what may still be read."""

import json

from protocol import certificate as certificates
from protocol import commands as c
from protocol import place
from protocol.data import PACKAGED
from protocol.entry import derive
from protocol.node.histories import find, histories
from protocol.place import COMMON
from tests.simulation.hand import NAMES, Hand, Nothing, Row

HIRED = ("clerk", "mediator", "officer", "operator", "department", "cadre")
DESKS = ("clerk", "mediator", "officer", "operator", "department")
LEFT = 1  # so many stay, or nobody could act any more


async def _hired(hand: Hand, kind: str, office: str, actor: object) -> str:
    """As the page 人员 does it: two commands whose ids follow from the form's. The person."""
    form = hand.new_id()
    person = derive(form, "person")
    home = hand.id if "field" in hand.tables().post_powers(kind) else ""
    await hand.say(c.RegisterPerson(id=form, person=person, office=office, name=hand.one(NAMES), phone="13800001234"), actor)
    post, title = f"{kind}.{derive(form, 'post')[:8]}", hand.tables().post_name(kind)
    await hand.say(c.GivePost(id=derive(form, "give"), post=post, person=person, office=office, title=title, home=home), actor)
    return person


async def hire(hand: Hand) -> None:
    actor = await hand.somebody("people")
    rows = await hand.rows("post_row", "ended = 0 and ledger = :office", {"office": actor.office}, "post")
    kinds = sorted({row["kind"] for row in rows if row["kind"] in HIRED})
    await _hired(hand, hand.one(kinds), actor.office, actor)


async def _staff(hand: Hand, office: str) -> list[Row]:
    """Posts of the office and, as often, of one below it: those who work there may not hear of an end for a while."""
    rows = [row for row in await hand.rows("post_row", "ended = 0", order="post, subject") if place.within(row["ledger"], office)]
    below = [row for row in rows if row["ledger"] != office and row["kind"] in HIRED]
    return below if below and hand.odds(0.5) else [row for row in rows if row["ledger"] == office and row["kind"] in HIRED]


async def replace(hand: Hand) -> None:
    """人员更替: a new one comes, and the one before leaves though what they wrote may not have gone out yet."""
    actor = await hand.somebody("people")
    leaving = hand.one(row for row in await _staff(hand, actor.office) if row["subject"] != actor.person)
    await _hired(hand, leaving["kind"], leaving["ledger"], actor)
    await hand.say(c.EndPost(id=hand.new_id(), post=leaving["post"], office=leaving["ledger"], reason="调离"), actor)


async def end_post(hand: Hand) -> None:
    actor = await hand.somebody("people")
    staff = await _staff(hand, actor.office)
    leaving = hand.one(row for row in staff if row["subject"] != actor.person and _is_spare(row, staff))
    await hand.say(c.EndPost(id=hand.new_id(), post=leaving["post"], office=leaving["ledger"], reason="退休"), actor)


def _is_spare(row: Row, staff: list[Row]) -> bool:
    """Somebody in the same office who may do as much stays."""
    return sum(other["ledger"] == row["ledger"] and (other["kind"] in DESKS) == (row["kind"] in DESKS) for other in staff) > LEFT


async def rename(hand: Hand) -> None:
    actor = await hand.somebody("people")
    person = hand.one(await hand.rows("person_row", "ledger = :office", {"office": actor.office}))
    told = {"person": person["subject"], "office": actor.office, "name": hand.one(NAMES), "phone": "13900001234"}
    await hand.say(c.RegisterPerson(id=hand.new_id(), **told), actor)


async def erase(hand: Hand) -> None:
    """依法删除: some entry's body goes, at every node that has it or will."""
    actor = await hand.somebody("erase")
    rows = await hand.rows("entry", "sort in ('dispute', 'task') and body is not null", order="position desc")
    one = hand.one(row for row in rows if row["ledger"] == actor.office or row["ledger"].startswith(f"{actor.office}/"))
    key = (one["ledger"], one["origin"], one["seq"])
    await hand.say(c.EraseBody(id=hand.new_id(), item="|".join(map(str, key)), ground="个人信息保护法第四十七条"), actor)
    hand.record.erased.append(key)


async def set_table(hand: Hand) -> None:
    """县里改一张表 in *common*, as an operator's command line does it; the same content under a new version."""
    if not certificates.writes(hand.node.desk.signer.certificate, COMMON):
        raise Nothing
    name = hand.chance.choice(("notices", "limits"))
    _, valid_from, content = PACKAGED[name]
    table = json.loads(content)
    table["version"] = version = f"2026.{hand.chance.getrandbits(24)}"
    await hand.node.desk.set_table(name, version, valid_from, json.dumps(table, ensure_ascii=False).encode())


async def decide_branch(hand: Hand) -> None:
    """另一份记录: an entry of a copied computer's other history is adopted (written anew) or contested."""
    desk = hand.node.desk
    actor = await hand.somebody("review")
    found = await histories(desk.journal, desk.shelf, desk.signer, actor)
    line = hand.one(line for fork in found for history in fork.others for line in history if line.may)
    row = await find(desk.journal, actor, line.hash)
    if row is None:
        raise Nothing
    await desk.adopt(row, actor, "adopt" if hand.odds(0.8) else "contest", "核对过" if hand.odds(0.5) else "")
