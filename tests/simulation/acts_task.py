"""What people do with tasks at a desk: send, recall, urge, review, and answer for a unit that was asked. Cadres act by phone (`phone`)."""

from protocol import commands as c
from protocol import place
from protocol.calendar import DAY_MS
from protocol.events import Actor
from tests.simulation import phone
from tests.simulation.acts_case import picture
from tests.simulation.hand import Hand, Nothing, Row

OPEN_CASE = "status in ('logged', 'accepted', 'mediating', 'agreed', 'ended', 'closed')"


async def _assigned(hand: Hand, case: str, where: str, actor: Actor) -> None:
    cadre = hand.one(one for one in await hand.node.reads.cadres(actor, where) if one.reachable or one.linked)
    told = {"purpose": hand.text(), "summary": hand.text(), "bring": "调解协议书", "contacts": [c.Party("叶根土", phone="13800000000")]}
    due_ms = hand.now_ms + hand.chance.randint(1, 15) * DAY_MS
    made = c.AssignTask(id=hand.new_id(), place=where, cadre=cadre.person, home=cadre.home, due_ms=due_ms, case=case, **told)
    await hand.say(made, actor)


async def assign(hand: Hand) -> None:
    """派单 for a case."""
    case, actor = await hand.case_for("AssignTask")
    await _assigned(hand, case["subject"], case["ledger"], actor)


async def assign_free(hand: Hand) -> None:
    """A visit without a case, in the own place or one below it."""
    actor, tables = await hand.somebody("assign"), hand.tables()
    below = [path for path in tables.children(actor.office) if place.covers(hand.node.desk.signer.covers, path)]
    await _assigned(hand, "", hand.one([actor.office, *below[:6]]), actor)


async def _task_for(hand: Hand, power: str, column: str, statuses: tuple[str, ...], more: str = "1 = 1") -> tuple[Row, Actor]:
    """Raises Nothing."""
    actors = await hand.who(power)
    among = ", ".join(f"'{status}'" for status in statuses)
    rows = await hand.rows("task_row", f"status in ({among}) and {more}")
    task, able = hand.one((row, some) for row in rows if (some := [a for a in actors if row[column] in a.offices]))
    return task, hand.one(able)


async def recall(hand: Hand) -> None:
    """撤回, as often as not while somebody without a signal is doing it. Where nobody is on his way, somebody is sent first."""
    wanted = ("assign", "assigned_by", ("sent", "confirmed"), "request = ''")
    try:
        task, actor = await _task_for(hand, *wanted)
    except Nothing:
        await assign_free(hand)
        task, actor = await _task_for(hand, *wanted)
    if task["cadre"] and hand.odds(0.6):
        await phone.act_unheard(hand, task)
    await hand.say(c.RecallTask(id=hand.new_id(), task=task["subject"], reason="改日再去"), actor)


async def urge_task(hand: Hand) -> None:
    task, actor = await _task_for(hand, "assign", "assigned_by", ("sent", "confirmed", "arrived"), "request = ''")
    await hand.say(c.UrgeTask(id=hand.new_id(), task=task["subject"], text=hand.text()), actor)


async def confirm_for_unit(hand: Hand) -> None:
    task, actor = await _task_for(hand, "note", "unit", ("sent",), "link = ''")
    await hand.say(c.ConfirmTask(id=hand.new_id(), task=task["subject"]), actor)


async def decline_for_unit(hand: Hand) -> None:
    task, actor = await _task_for(hand, "note", "unit", ("sent", "confirmed"), "link = ''")
    await hand.say(c.DeclineTask(id=hand.new_id(), task=task["subject"], reason="不归本单位管"), actor)


async def report_for_unit(hand: Hand) -> None:
    task, actor = await _task_for(hand, "note", "unit", ("sent", "confirmed", "arrived", "recalled"), "link = ''")
    result = hand.chance.choice(("settled", "eased", "unsettled", "absent"))
    await hand.say(c.ReportTask(id=hand.new_id(), task=task["subject"], result=result, words=hand.text()), actor)


async def task_evidence(hand: Hand) -> None:
    task, actor = await _task_for(hand, "note", "assigned_by", ("sent", "confirmed", "arrived", "reported"), "request = ''")
    blob = await picture(hand, "paper")
    await hand.say(c.AddTaskEvidence(id=hand.new_id(), task=task["subject"], blob=blob), actor)


async def review_task(hand: Hand) -> None:
    rows = await hand.rows("task_row", "reviews > 0")
    task = hand.one(rows)
    item = hand.one(await hand.rows("review_row", "subject = :subject", {"subject": task["subject"]}, "item"))
    actor = hand.one(await hand.who("review", item["owner"]))
    told = {"item": item["item"], "decision": hand.chance.choice(("adopt", "reject")), "reason": hand.text()}
    await hand.say(c.DecideTaskReview(id=hand.new_id(), task=task["subject"], **told), actor)
