"""What people do that the rules do not want, or twice, or at once: the node must refuse it, or do it exactly once.

What can be judged on the spot is: `Broken` rises, and the run has failed.
"""

import asyncio
from typing import Any

from protocol import commands as c
from protocol.events import Actor
from protocol.node.desk import Outcome
from protocol.office import receivers_up
from protocol.problem import Refused
from tests.simulation.acts_case import agreement, dispute
from tests.simulation.hand import Hand, Nothing, Row
from tests.simulation.record import Broken, Form


async def late_outcome(hand: Hand) -> None:
    """An outcome for a case that another office holds by now, as far as it is known here."""
    actor = await hand.somebody("mediate")
    foreign = [row for row in await hand.rows("case_row", "1 = 1") if row["holder"] not in actor.offices]
    case = hand.talked_of(foreign, lambda row: row["subject"])
    await hand.say(_some_outcome(hand, case), actor)


def _some_outcome(hand: Hand, case: Row) -> c.CaseCommand:
    subject, text, id_ = case["subject"], hand.text(), hand.new_id()
    return hand.one(
        (
            agreement(hand, subject),
            c.CloseDispute(id=id_, case=subject, ending="withdrawn", result=text),
            c.RecordMediation(id=id_, case=subject, account=text, result="go_on"),
            c.EndMediation(id=id_, case=subject, reason=text, ways=text),
            c.AcceptDispute(id=id_, case=subject),
            c.SetRisk(id=id_, case=subject, risk="red", reason=text),
        )
    )


async def out_of_turn(hand: Hand) -> None:
    """Any step at any time, by anybody: the table says what comes of it."""
    case, actor = await hand.any_case()
    subject, text, id_ = case["subject"], hand.text(), hand.new_id()
    made = hand.one(
        (
            _some_outcome(hand, case),
            c.TakeUpDispute(id=id_, case=subject),
            c.ReturnDispute(id=id_, case=subject, reason=text),
            c.CallUpDispute(id=id_, case=subject, reason=text),
            c.ReopenDispute(id=id_, case=subject, reason=text),
            c.ArchiveDispute(id=id_, case=subject),
            c.VoidDispute(id=id_, case=subject, reason="登错了"),
            c.DecideReview(id=id_, case=subject, item=f"{case['last_origin']}/{case['last_seq']}", decision="adopt", reason=text),
        )
    )
    await hand.say(made, actor)


async def log_out_of_place(hand: Hand) -> None:
    """Into a ledger that is not this office's: refused, or the node would write what it does not cover."""
    actor, tables = await hand.somebody("log"), hand.tables()
    covers = hand.node.desk.signer.covers
    path = hand.one(path for path in list(tables.places)[:: max(1, len(tables.places) // 40)] if not _covered(covers, path))
    await hand.say(dispute(hand, path), actor)
    raise Broken(f"a case was logged into {path} by a node that covers {covers}")


def _covered(covers: tuple[str, ...], path: str) -> bool:
    return any(path == one or (one.endswith("/*") and (path == one[:-2] or path.startswith(one[:-1]))) for one in covers)


async def _at_once(hand: Hand, forms: list[Form]) -> list[Outcome | Refused]:
    """All sent in the same moment; each one's answer."""

    async def sent(form: Form) -> Outcome | Refused:
        try:
            return await hand.send(form)
        except Refused as refused:
            return refused

    return list(await asyncio.gather(*(sent(form) for form in forms)))


async def _only_one(hand: Hand, commands: list[tuple[c.Command, Actor]], what: str) -> None:
    answers = await _at_once(hand, [Form(hand.id, command, actor) for command, actor in commands])
    done = [answer for answer in answers if isinstance(answer, Outcome)]
    if len(done) > 1 and len(await _in_office(hand, done, commands[0][1])) > 1:
        raise Broken(f"{what}: {len(done)} of {len(answers)} were accepted")
    if not done:
        raise next(answer for answer in answers if isinstance(answer, Refused))


async def _in_office(hand: Hand, done: list[Outcome], actor: Actor) -> list[Outcome]:
    """Without those whose writer's post ended, or whose node was put out, in that very moment: they wait for a review."""
    case = await hand.node.reads.case(actor, done[0].subject)
    over = {review.item for review in case.reviews if review.code in ("post_over", "revoked")}
    return [one for one in done if not {f"{origin}/{seq}" for _, origin, seq in one.entries} & over]


async def take_up_twice(hand: Hand) -> None:
    """Two people of one office press 受领 at once."""
    case, actor = await hand.case_for("TakeUpDispute", "offer_to")
    other = hand.one(await hand.who("move", actor.office))
    both: list[tuple[c.Command, Actor]] = [(c.TakeUpDispute(id=hand.new_id(), case=case["subject"]), one) for one in (actor, other)]
    await _only_one(hand, both, "taken up twice")


async def escalate_twice(hand: Hand) -> None:
    case, actor = await hand.case_for("EscalateDispute", fits=lambda row: bool(receivers_up(row["holder"])))
    to = receivers_up(case["holder"])[0]
    made = [c.EscalateDispute(id=hand.new_id(), case=case["subject"], to=to, reason=hand.text()) for _ in range(2)]
    await _only_one(hand, [(command, actor) for command in made], "escalated twice")


async def settle_and_escalate(hand: Hand) -> None:
    """One signs while the other closes: either may be first, and the second is judged by what the first left."""
    case, actor = await hand.case_for("SignAgreement")
    closing = c.CloseDispute(id=hand.new_id(), case=case["subject"], ending="pledge", result=hand.text())
    answers = await _at_once(hand, [Form(hand.id, agreement(hand, case["subject"]), actor), Form(hand.id, closing, actor)])
    if not any(isinstance(answer, Outcome) for answer in answers):
        raise next(answer for answer in answers if isinstance(answer, Refused))


async def click_twice(hand: Hand) -> None:
    """The same form sent twice at once is one case."""
    actor = await hand.somebody("log")
    form = Form(hand.id, dispute(hand, actor.office), actor)
    first, second = await _at_once(hand, [form, form])
    if first != second and not isinstance(first, Refused) and not isinstance(second, Refused):
        raise Broken(f"one form, two answers: {first} and {second}")
    if isinstance(second, Refused):
        raise second


async def send_again(hand: Hand) -> None:
    """What got no answer is sent again under the same id."""
    form = hand.one(form for form in hand.record.forms if form.node == hand.id)
    here = {(actor.person, actor.post): actor for actor in await hand.people()}
    actor = here.get((form.actor.person, form.actor.post))
    if actor is None:
        hand.record.forget(form)  # their session ended meanwhile
        raise Nothing
    await _once(hand, form)


async def send_answered_again(hand: Hand) -> None:
    """Back button: a form that was answered long ago is sent once more."""
    form, _ = hand.one(hand.record.of_node(hand.id))
    if form.at_ms is not None:
        raise Nothing  # a phone sends its own
    await _once(hand, form)


async def _once(hand: Hand, form: Form) -> None:
    """If its entries are here, before and after, the answer must name them, and nothing may be written. (Of two histories of this node's
    lane the other one may have become the lane meanwhile; then what stood here is written anew.)"""
    known = {e.key for e in await hand.node.journal.command(form.command.id) if e.sort != "lane"}
    outcome = await hand.send(form)
    now = {e.key for e in await hand.node.journal.command(form.command.id) if e.sort != "lane"}
    if not outcome.receipt and not known & now <= set(outcome.entries):
        raise Broken(f"{form.kind} {form.command.id} was answered {outcome.entries} though {sorted(known & now)} were here")
    if known and any(key[1] == hand.node.desk.signer.origin for key in now - known):
        raise Broken(f"{form.kind} {form.command.id} was written again: {sorted(now - known)}")


async def borrow_an_id(hand: Hand) -> None:
    """Somebody else's command id: refused, whatever it asks for."""
    actor = await hand.somebody("log")
    written: Any = hand.one(o for form, o in hand.record.of_node(hand.id) if form.actor.person != actor.person and o.entries)
    if not await hand.node.journal.command(written.command):
        raise Nothing
    try:
        await hand.node.desk.submit(dispute(hand, actor.office, id_=written.command), actor)
    except Refused as refused:
        if refused.code == "command_invalid" or refused.code in ("node_revoked", "node_forked", "store_busy", "store_damaged", "disk_full"):
            raise
        raise Broken(f"somebody else's id was refused for {refused.code}") from refused
    raise Broken("somebody else's command id was accepted")
