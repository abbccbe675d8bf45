"""What a node writes by itself, because it is the one that can: arrivals, linked tasks, successors of
cases, what became of either, ends of posts, the erasure of words that come too late.

    await errands.run()      after admissions, after commits and now and then; again is harmless

An origin writes only ledgers that its node covers. What an office asks for in another ledger waits in its own until **the lowest
node that covers both** carries it over; what comes of it is carried back the same way. All ids follow from what is carried, so a
second node, a second process or a second run leads to the same subjects, and nothing is there twice.

Every node knows the reach of the others from *common*. The lowest is the one whose reach begins lowest, then the first by id. It
acts at once; the next one only if the errand is still not done ERRAND_MS after it saw it first (the lowest may lie in a flood), the
one after that twice as late, and so on. The clock decides only who goes when, never what is written.

What an errand follows from may be nonsense that somebody signed: one that can't be written is said in the log, waits for AGAIN_MS, and
holds up none of the others.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import count
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import msgspec

from protocol import certificate as certificates
from protocol import dispute, entry, merges, place, transfer
from protocol.case import Case, Line, Task
from protocol.certificate import Certificate
from protocol.drafts import removal_drafts
from protocol.events import (
    DisputeCorrected,
    DisputeCorrectedBody,
    Draft,
    PostEnded,
    TaskAnswered,
    TaskAssigned,
    TaskAssignedBody,
    TaskRecalled,
    TaskUrged,
    TextBody,
)
from protocol.node import errands_due as due
from protocol.node import log, removing
from protocol.node.deciding import Asked, held
from protocol.node.journal.branches import adopted_id
from protocol.node.journal.rows import fetch
from protocol.node.listing import any_of, subtree
from protocol.problem import OWN_STORE, Refused
from protocol.task import RANK
from protocol.views import Limits

if TYPE_CHECKING:
    from protocol.node.desk import Desk, Make, Outcome

ERRANDS_MAX: Final = 200  # of a kind in one run; the rest comes with the next
ERRAND_MS: Final = 600_000  # how long a node waits for one that is lower
AGAIN_MS: Final = 3_600_000
FAILED_MAX: Final = 5_000  # more are tried each time
_WHY_ANEW: Final = DisputeCorrectedBody(reason="同一编号发过两次，原编号保留")
Write = Callable[[], Awaitable["Outcome | None"]]


class Errands:
    """desk: writes what is decided here, through its `by_itself`."""

    def __init__(self, desk: "Desk") -> None:
        self._desk, self._seen_ms = desk, dict[str, int]()
        self._failed: dict[str, int] = {}  # errand → when it could not be written

    async def run(self) -> list["Outcome"]:
        """Everything that is due here. What was written, in order."""
        written: list[Outcome] = []
        for run, is_due in zip(
            (self.arrivals, self.tasks, self.transfers, self.ends, self.links, self.words), await self._due(), strict=True
        ):
            written += await run() if is_due else ()
        return written

    async def arrivals(self) -> list["Outcome"]:
        """DisputeArrived for every offer to a served office that has not arrived yet."""
        serves = [reach.partition("/*") for reach in self._desk.signer.serves]
        offices = [subtree("offer_to", "office", path) if deep else ("offer_to = :office", {"office": path}) for path, deep, _ in serves]
        served, values = any_of(offices)
        written = list["Outcome"]()
        while subjects := [row[0] for row in await self._rows(due.ARRIVED.format(served=served), values)]:
            done = await self._desk.all_by_itself([self._arrival(subject) for subject in subjects], subjects)
            written += done
            if len(subjects) < ERRANDS_MAX or not done:
                break
        return written

    async def transfers(self) -> list["Outcome"]:
        """Successors opened, and returned where the transfer is off; what became of them told to the cases they go on from."""
        return await self._carried(((due.TO_OPEN, self._open), (due.TO_CALL_OFF, self._call_off), (due.TO_TELL, self._tell)))

    async def tasks(self) -> list["Outcome"]:
        """Linked tasks made; recalls and urges carried to them, answers carried back."""
        kinds = ((due.TO_LINK, self._link), (due.TO_RECALL, self._recall), (due.TO_URGE, self._urge), (due.TO_ANSWER, self._answer))
        return await self._carried(kinds)

    async def ends(self) -> list["Outcome"]:
        """The end of a post said in *common*, by the node that may: so that nodes which do not hear its office's ledger judge alike."""
        if not certificates.writes(self._desk.signer.certificate, place.COMMON):
            return []
        rows = await self._rows(due.TO_ANNOUNCE)
        return await self._each((f"end {post} {item}", partial(self._announce, post, item, limits)) for _, post, item, limits in rows)

    async def links(self) -> list["Outcome"]:
        """What was merged into a case is told there when it is merged no more, or is again: its code and clocks count there or not."""
        written = list["Outcome"]()
        for query in (due.UNMERGED, due.MERGED_AGAIN):
            written += await self._each(
                (errand, partial(self._tell_of_merge, subject, into, command))
                for subject, into, there, here, command in await self._rows(query)
                if self._is_mine(errand := f"links {into} {command}", here, there)
            )
        return written

    async def words(self) -> list["Outcome"]:
        """What arrives late of a case that was removed is erased like the rest of it, by a node that serves the office that removed it;
        and what of it lies in other ledgers (removing.py)."""
        own = self._desk.signer.certificate
        mine = [subject for subject, holder in await self._rows(due.TO_ERASE) if certificates.serves(own, holder)]
        written = await self._each((f"words {subject}", partial(self._erase, subject)) for subject in mine)
        there_too = list[tuple[str, Write]]()
        for subject, here, holder, of, via, there in await self._rows(removing.DUE):
            is_reached, office = of == subject and place.within(there, holder), removing.over(here, via, there)
            errand = f"words {subject} {via} {there}"
            if office and not is_reached and self._is_mine(errand, here, via, there, office=office):
                there_too.append((errand, partial(self._erase_there, subject, there, office)))
        return written + await self._each(there_too)

    async def codes(self) -> list["Outcome"]:
        """A new code for the later of two cases that have one: a disk that was put back, or a copy of it, counted from the same count. What
        goes on from that case (转办) takes it over.

        It reads all cases: for now and then, and only where a node has a second history.
        """
        written = await self._each(
            (errand, partial(self._recode, subject, code))
            for subject, here, there, code in await self._rows(due.CODED_ANEW)
            if self._is_mine(errand := f"code {subject}", here, there)
        )
        return written + await self._carried(((due.CODE_TO_FOLLOW, self._follow_code),))

    async def merges(self) -> list["Outcome"]:
        """A merged case whose matter nobody works on is reopened, by a node of the office that holds it. It reads all merged cases: for now and then."""
        return await self._each(
            (errand, partial(self._reopen, subject))
            for subject, here, there, office in await self._rows(due.DEAD_ENDS)
            if self._is_mine(errand := f"merge {subject}", here, there, office=office)
        )

    # ── the rest is private ──

    async def _tell_of_merge(self, subject: str, into: str, command: str) -> "Outcome | None":
        async def make(asked: Asked) -> tuple[str, list[Draft]]:
            case, goes_on = await asked.case(subject), await asked.case(into)
            draft = merges.telling(case, goes_on, command) if case and goes_on else None
            if case is None or goes_on is None or draft is None:
                return "", []
            after = self._after(merges.told_last(goes_on, command), merges.known(case))
            return entry.derive(f"{into} {command} {case.merged_into == into}{after}", "merge told"), [draft]

        return await self._desk.by_itself(make)

    async def _reopen(self, subject: str) -> "Outcome | None":
        async def make(asked: Asked) -> tuple[str, list[Draft]]:
            case = await asked.case(subject)
            into = await asked.case(case.merged_into) if case and case.merged_into else None
            draft = merges.reopening(case, into) if case and into else None
            return (entry.derive(f"{subject} {case.turn}", "reopened"), [draft]) if case and draft else ("", [])

        return await self._desk.by_itself(make)

    async def _recode(self, subject: str, code: str) -> "Outcome | None":
        async def make(asked: Asked) -> tuple[str, list[Draft]]:
            case, twins = await asked.case(subject), await fetch(asked.w.connection, due.STILL, {"code": code, "subject": subject})
            if case is None or case.code != code or not twins:
                return "", []
            return _coded(case, await asked.case_code())

        return await self._desk.by_itself(make)

    async def _follow_code(self, subject: str) -> "Outcome | None":
        async def make(asked: Asked) -> tuple[str, list[Draft]]:
            successor, old = await _with_predecessor(asked, subject)
            if successor is None or old is None or successor.code not in old.aliases:
                return "", []  # the same by now, or a code of its own
            return _coded(successor, old.code)

        return await self._desk.by_itself(make)

    async def _due(self) -> Sequence[bool]:
        """Whether there may be arrivals, tasks, transfers, ends, links, words: one question after each commit instead of eight."""
        return (await self._desk.journal.select(due.DUE, {}))[0]

    async def _announce(self, post: str, item: str, limits: bytes) -> "Outcome | None":
        known = msgspec.msgpack.decode(limits, type=Limits)
        facts = PostEnded("", 0, (), post, known.reach, known.last, known.of, item)
        subject = entry.derive(f"{post} {item}", "post ended")

        async def make(_: Asked) -> tuple[str, list[Draft]]:
            return subject, [Draft(place.COMMON, subject, "common", facts)]

        return await self._desk.by_itself(make)

    async def _carried(self, kinds: Iterable[tuple[str, Callable[[str], Awaitable["Outcome | None"]]]]) -> list["Outcome"]:
        """Each query gives (subject, ledger, other ledger) of what is due; both must be covered, and nobody lower be about to do it."""
        written = list["Outcome"]()
        for query, make in kinds:
            written += await self._each(
                (errand, partial(make, subject))
                for subject, here, there in await self._rows(query)
                if self._is_mine(errand := f"{make.__name__} {subject}", here, there)
            )
        return written

    async def _each(self, errands: Iterable[tuple[str, Write]]) -> list["Outcome"]:
        """What was written of these. Raises Refused of our own store: then none of them can be."""
        written, now_ms = list["Outcome"](), self._desk.clock()
        for errand, write in errands:
            if 0 <= now_ms - self._failed.get(errand, -AGAIN_MS) < AGAIN_MS:
                continue
            try:
                done = await write()
            except Exception as error:
                if isinstance(error, Refused) and error.code in OWN_STORE:
                    raise
                log.event("errand failed", level=logging.ERROR, kind=errand.partition(" ")[0], exception=error)
                if len(self._failed) < FAILED_MAX:
                    self._failed[errand] = now_ms
                continue
            self._failed.pop(errand, None)
            written += [done] if done else []
        return written

    async def _erase(self, subject: str) -> "Outcome | None":
        async def make(asked: Asked) -> tuple[str, list[Draft]]:
            case = await asked.case(subject)
            found = removal_drafts(case.holder, await held(asked, case), asked.signer.covers) if case and case.removed else []
            return entry.derive(f"{subject} {[draft.facts for draft in found]}", "words"), found

        return await self._desk.by_itself(make)

    async def _erase_there(self, subject: str, there: str, office: str) -> "Outcome | None":
        async def make(asked: Asked) -> tuple[str, list[Draft]]:
            case = await asked.case(subject)
            found = await removing.erasures(asked, case, there, office) if case else []
            return entry.derive(f"{subject} {[draft.facts for draft in found]}", "words"), found

        return await self._desk.by_itself(make)

    async def _open(self, subject: str) -> "Outcome | None":
        async def make(asked: Asked) -> tuple[str, list[Draft]]:
            case = await asked.case(subject)
            if case is None or not case.successor or await asked.case(case.successor) is not None:
                return "", []
            return transfer.opening(case)

        return await self._desk.by_itself(make)

    async def _tell(self, subject: str) -> "Outcome | None":
        async def make(asked: Asked) -> tuple[str, list[Draft]]:
            old = await asked.case(subject)
            successor = await asked.case(old.successor) if old and old.successor else None
            draft = transfer.answering(old, successor) if old and successor else None
            if draft is None or successor is None:
                return "", []
            return entry.derive(subject, f"told {successor.answer} {successor.turn}"), [draft]

        return await self._desk.by_itself(make)

    async def _call_off(self, subject: str) -> "Outcome | None":
        async def make(asked: Asked) -> tuple[str, list[Draft]]:
            successor, old = await _with_predecessor(asked, subject)
            draft = transfer.called_off(old, successor) if old and successor else None
            return entry.derive(subject, "called off"), [draft] if draft else []

        return await self._desk.by_itself(make)

    async def _rows(self, query: str, values: Mapping[str, Any] = MappingProxyType({})) -> list[Any]:
        """As many as may be due, besides those that could not be done."""
        return await self._desk.journal.select(query, {"most": ERRANDS_MAX + len(self._failed), **values})

    def _is_mine(self, errand: str, *ledgers: str, office: str = "") -> bool:
        """Claims that this node covers both ledgers, and that no lower one may still do it. office: whoever does it must serve it."""

        def is_able(c: Certificate) -> bool:
            return all(certificates.writes(c, ledger) for ledger in ledgers) and (not office or certificates.serves(c, office))

        own = self._desk.signer.certificate
        if not is_able(own):
            return False
        others = {node: c for node, c in self._desk.shelf.certificates.items() if node not in self._desk.shelf.revoked}
        able = [c for c in (others | {own.node: own}).values() if is_able(c)]
        before = sorted(able, key=_lowest_first).index(own)
        now_ms = self._desk.clock()
        seen_ms = self._seen_ms[errand] = min(self._seen_ms.get(errand, now_ms), now_ms)  # a clock may be put back by a year
        return now_ms - seen_ms >= before * ERRAND_MS

    def _after(self, told: Line | None, known: object) -> str:
        """What tells a word from the same word said before: of a copied computer one history may have been heard first, then the other.

        After a word of its own a node knows better now, and says so each time. After that of another node it speaks once by what it knows:
        two that hear different copies would have the last word against each other for ever.
        """
        if told is None:
            return ""
        is_own = entry.node_of(told.head.origin) == self._desk.signer.node
        return f" after {told.head.command}" if is_own else f" after another {known}"

    def _arrival(self, subject: str) -> "Make":
        async def make(asked: Asked) -> tuple[str, list[Draft]]:
            case = await asked.case(subject)
            draft = dispute.arrival(case, self._desk.signer.serves) if case else None
            if draft is None or case is None or case.offer is None or not certificates.writes(self._desk.signer.certificate, draft.ledger):
                return "", []
            origin, seq = case.offer.key  # of a lane, and of each of its histories: only with the case they name one offer
            return entry.derive(f"{subject} {origin}/{seq}", f"arrived {self._desk.signer.node}"), [draft]

        return make

    async def _link(self, subject: str) -> "Outcome | None":
        async def make(asked: Asked) -> tuple[str, list[Draft]]:
            task, id_ = await asked.task(subject), linked_id(subject)
            if task is None or task.status != "sent" or await asked.task(id_) is not None:
                return "", []
            return entry.derive(subject, "link"), [linked(task, id_)]

        return await self._desk.by_itself(make)

    async def _recall(self, subject: str) -> "Outcome | None":
        async def make(asked: Asked) -> tuple[str, list[Draft]]:
            task = await asked.task(subject)
            if task is None or task.recalls:
                return "", []
            asking = await asked.task(task.request)
            said = _said(asking, "TaskRecalled")
            return entry.derive(subject, "recall"), [_draft(task, TaskRecalled("", 0, _seen(task)), said)]

        return await self._desk.by_itself(make)

    async def _urge(self, subject: str) -> "Outcome | None":
        async def make(asked: Asked) -> tuple[str, list[Draft]]:
            task = await asked.task(subject)
            asking = await asked.task(task.request) if task else None
            if task is None or asking is None or task.urges >= asking.urges:
                return "", []
            return _next_urge(task), [_draft(task, TaskUrged("", 0, ()), _said(asking, "TaskUrged"))]

        return await self._desk.by_itself(make)

    async def _answer(self, subject: str) -> "Outcome | None":
        async def make(asked: Asked) -> tuple[str, list[Draft]]:
            asking, done = await asked.task(subject), await asked.task(linked_id(subject))
            if asking is None or done is None or done.status in ("sent", asking.answered):
                return "", []
            told = [line for line in asking.lines if line.kind == "TaskAnswered" and not (line.set_aside or line.waiting)]
            after = self._after(told[-1] if told else None, f"{asking.answered} {_seen(done)}")
            return entry.derive(subject, f"answer {done.status} {done.result} {done.updated_ms}{after}"), [answer(asking, done)]

        return await self._desk.by_itself(make)


async def _with_predecessor(asked: Asked, subject: str) -> tuple[Case | None, Case | None]:
    """A case, and that it goes on from."""
    successor = await asked.case(subject)
    return successor, await asked.case(successor.predecessor) if successor and successor.predecessor else None


def linked_id(subject: str) -> str:
    """The linked task of a task: the same at whatever node makes it."""
    return entry.derive(subject, "linked task")


def linked(task: Task, id_: str) -> Draft:
    """The other half of a task whose work lies in another ledger, for whoever does it there. The case itself is not named."""
    facts = TaskAssigned(
        "", 0, (), "", task.purpose_kind, task.cadre, task.home, task.unit, task.due_ms, task.place, "", task.id, task.assigned_by
    )
    body = TaskAssignedBody(task.purpose, task.bring, task.summary, task.address, task.case_code, task.contacts)
    return Draft(task.link, id_, "task", facts, body)


def answer(asking: Task, done: Task) -> Draft:
    """What the office that asked gets to know: how far it is, the result and the words of it. No pictures, no position, no names."""
    at_ms = {"confirmed": done.confirmed_ms, "arrived": done.arrived_ms, "declined": done.declined_ms}.get(done.status)
    at_ms = at_ms or (done.recalled_ms if done.status == "recalled" else done.reported_ms) or done.updated_ms
    facts = TaskAnswered("", 0, _seen(asking), done.status, done.result, at_ms)
    words = done.words if done.status in ("declined", "reported") else ""
    return _draft(asking, facts, words)


def _coded(case: Case, code: str) -> tuple[str, list[Draft]]:
    facts = DisputeCorrected("", 1, (), "code", code)
    return entry.derive(case.id, f"code {case.code}"), [Draft(case.ledger, case.id, "dispute", facts, _WHY_ANEW)]


def _draft(task: Task, facts: Any, words: str) -> Draft:
    return Draft(task.ledger, task.id, "task", facts, TextBody(words) if words else None)


def _next_urge(task: Task) -> str:
    """The id of the first one that is not there: the same at each node that carries it, and free also where an older one counted otherwise."""
    there = {line.head.command for line in task.lines if line.kind == "TaskUrged"}
    ids = (entry.derive(task.id, f"urge {n}") for n in count(1))
    return next(id_ for id_ in ids if not there & {id_, adopted_id(id_)})


def _seen(task: Task) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(task.seen.items()))


def _said(task: Task | None, kind: str) -> str:
    """The words of the last entry of this kind; "" when erased."""
    lines = [line for line in task.lines if line.kind == kind] if task else []
    return next(iter(lines[-1].text.values()), "") if lines else ""


def _lowest_first(c: Certificate) -> tuple[int, str]:
    roots = [path.removesuffix("/*") for path in c.covers if path != place.COMMON and place.SEALED not in place.segments(path)]
    return -min(map(place.tier, roots), default=0), c.node


assert set(RANK) == {"sent", "confirmed", "arrived", "declined", "recalled", "reported"}  # the queries above name them
