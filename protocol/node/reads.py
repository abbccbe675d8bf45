"""What pages may read. Every question is asked by an actor and answered within what `access` lets that actor see.

Rows carry the columns of their view (protocol/views.py) under the same names; `marks` says how far the newest entry got.
A case or task itself is folded from its entries, so that what a revoked node wrote is set aside on the page at once.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Any

import msgspec
from nacl.bindings import crypto_scalarmult_base
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol import access, codes, place
from protocol import certificate as certificates
from protocol import entry as entries
from protocol.case import Case, Line, Task
from protocol.companion import SORT as COMPANION
from protocol.companion_fold import Companion, fold_companion
from protocol.events import Actor, BodyErased, body_of, facts_of
from protocol.fold import fold_case, fold_task
from protocol.node import candidates, finding, histories, listing, marks, past, refusals, sealed_end, sealing, underway
from protocol.node.agenda import Agenda
from protocol.node.counts import PLACED, Counts, who
from protocol.node.deciding import home_covers
from protocol.node.journal import Journal
from protocol.node.journal.rows import among, bound, fetch, named
from protocol.node.journal.stored import SELECT, stored
from protocol.node.kept import LONG_MS, OF_TASKS, Kept
from protocol.node.known import Known
from protocol.node.listing import VIEWS, dated_until
from protocol.node.sealing import SealedReport
from protocol.node.shelf import Shelf
from protocol.node.shown import CadreChoice, CasePage, CaseRow, Erasure, Key, Mark, PersonRow, PlaceRow, QuarantineRow, TaskRow, row_as
from protocol.node.signer import Signer
from protocol.node.spread import Spread
from protocol.node.statistics import Statistics
from protocol.node.tallies import Open
from protocol.place import covers as covers_place
from protocol.problem import Refused
from protocol.words import line_of

__all__ = [
    "VIEWS", "CadreChoice", "CasePage", "CaseRow", "Key", "Mark", "PersonRow", "PlaceRow", "QuarantineRow", "Reads", "SealedReport", "TaskRow",
]  # fmt: skip
WHATEVER = listing.Narrowed()
PER_MAX = 200
EVERY_AT_ONCE = 500  # rows of a whole list that are read in one go
HITS_KEPT_MAX = 4  # lists of what was found by its text, each of up to all cases: who pages through one finds it once
TASKS_MAX = 500  # of one list; an office that has more open at once looks case by case
PEOPLE_MAX = 2_000
VISIT_MAX = 20
_OPEN_TASK = listing.TASK_IS_OPEN
_FIRST_DUE = f"case when {_OPEN_TASK} then 0 else 1 end, case when {_OPEN_TASK} then coalesce(nullif(due_ms, 0), assigned_ms) else -updated_ms end, subject"


class Reads:
    def __init__(
        self, journal: Journal, shelf: Shelf, signer: Signer, clock: Callable[[], int], sealing_secret: bytes | None = None
    ) -> None:
        """sealing_secret: X25519 secret key, 32 bytes, only where sealed reports may be read."""
        self._journal, self._shelf, self._signer, self._clock = journal, shelf, signer, clock
        self._secret = sealing_secret
        self._kept, self._hits = Kept(clock), Kept(clock, HITS_KEPT_MAX)
        self._counts = Counts(journal, clock)
        self.statistics, self.agenda, self.known = Statistics(journal, clock), Agenda(journal), Known(journal)
        if sealing_secret is not None:
            crypto_scalarmult_base(sealing_secret)  # raises at once for a key that is none

    def node_name(self, node: str) -> str:
        """'天子湖镇综治中心': as its certificate says; its id when it is unknown here."""
        known = self._shelf.certificates.get(node)
        return known.name if known else node

    def nodes(self) -> tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]:
        """(serves, covers) of every node of the county that is not revoked."""
        return self._shelf.nodes(self._signer.certificate)

    # ── cases ──

    async def cases(
        self,
        actor: Actor,
        view: str = "all",
        text: str = "",
        status: str = "",
        place: str = "",
        type: str = "",
        page: int = 1,
        per: int = 50,
        narrowed: listing.Narrowed = WHATEVER,
        by_date: bool = False,
    ) -> CasePage:
        """Newest change first; `overdue`, `due`, `incoming` and `follow_up` by their date, of a time by the day of registration. Past the last page is the last.

        type: 2 or 4 digits · place: with its subtree, unless `narrowed` says alone · by_date: what ends first in front, whatever the view.
        """
        asked = listing.Asked(view if view in VIEWS else "all", text.strip(), status, place, type, narrowed)
        page, per, more, signs = max(page, 1), min(max(per, 1), PER_MAX), False, ()
        total = await self._told(actor, asked)
        async with self._journal.read() as c:
            ordered, kept = listing.order(asked.view, narrowed.from_ms is not None, by_date), (asked, *who(actor))
            if asked.text:
                hits = await self._hits.of(c, (*kept, ordered), lambda: self._subjects(c, actor, asked, ordered))
                found, more = hits.subjects.split(), hits.more
                page = min(page, -(-len(found) // per) or 1)
                total, some = len(found), {"some": bound(c, found[(page - 1) * per : page * per])}
                signs = await finding.signs(c, found) if total > per else ()
                rows = await _dicts(c, f"select * from case_row where {among(c, 'subject', 'some')} order by {ordered}", some)
            else:
                condition, values = await self._asked(c, actor, asked)
                if total is None:
                    until = None if narrowed.kind else dated_until  # a kind may hang on another clock
                    total = await self._kept.of(c, kept, lambda: self._total(c, actor, asked.alone, (condition, values)), until=until)
                page = min(page, -(-total // per) or 1)
                rows = await _dicts(c, listing.page(condition, ordered), {**values, "per": per, "skip": (page - 1) * per})
            known = await self._marks(c, [_last(row) for row in rows])
            waiting = await self._cases_asked(c, actor, [row["subject"] for row in rows])
        shown = tuple(row_as(CaseRow, row, known[_last(row)], asked=row["subject"] in waiting) for row in rows)
        return CasePage(shown, total, page, per, more, signs)

    async def every(
        self,
        actor: Actor,
        view: str = "all",
        text: str = "",
        status: str = "",
        place: str = "",
        type: str = "",
        narrowed: listing.Narrowed = WHATEVER,
    ) -> AsyncIterator[list[CaseRow]]:
        """The whole of such a list in pieces, the last registered first and without marks. What changes meanwhile is in it once or not at all."""
        asked = listing.Asked(view if view in VIEWS else "all", text.strip(), status, place, type, narrowed)
        async with self._journal.read() as c:
            condition, values = await self._asked(c, actor, asked)
        ordered, last = listing.order(view, by_registration=True), None
        while True:
            further = ""
            if last is not None:
                further = " and (logged_ms < :last_ms or (logged_ms = :last_ms and subject < :last))"
                values = {**values, "last_ms": last.logged_ms, "last": last.subject}
            sql = f"select * from case_row where ({condition}){further} order by {ordered} limit {EVERY_AT_ONCE}"
            async with self._journal.read() as c:
                rows = [row_as(CaseRow, row) for row in await _dicts(c, sql, values)]
            if not rows:
                return
            yield rows
            last = rows[-1]

    async def counts(self, actor: Actor) -> dict[str, int]:
        """How many cases each of VIEWS but `all`, and tasks each of TASK_VIEWS, holds for this actor; forks: what he may decide (histories)."""
        async with self._journal.read() as c:
            forks = await histories.waiting(c, self._signer, actor, self._kept)
        return {**await self._counts.lists(actor), "forks": forks}

    async def total(self, actor: Actor) -> int:
        """How many cases there are for this actor."""
        return await self._counts.total(actor)

    async def spread(self, actor: Actor, from_ms: int, to_ms: int) -> Spread:
        """How cases lie over places now; fresh: what was registered in this time, to_ms no more."""
        return await self._counts.spread(actor, from_ms, to_ms)

    async def case(self, actor: Actor, subject: str, texts: bool = True) -> Case:
        """Raises Refused case_unknown, also when the actor may not see it. texts: with the words of its lines."""
        stored = await self._journal.subject(subject)
        entries = [e.admitted for e in stored if e.sort == "dispute"]
        case = fold_case(entries, self._shelf(), self._shelf.good_until(entries), texts=texts) if entries else None
        if case is None or not access.may_see_case(actor, case):
            raise Refused("case_unknown")
        return await sealed_end.look(self._journal.select, case, stored, self._shelf.counts)

    async def same_visit(self, actor: Actor, case: Case) -> list[CaseRow]:
        """The other matters that the same visitor brought that day, as far as the actor may see them; the first one first."""
        first = case.visit or case.id
        sql = f"select * from case_row where (visit = :first or subject = :first) and subject <> :own order by logged_ms limit {VISIT_MAX}"
        async with self._journal.read() as c:
            rows = await _dicts(c, sql, {"first": first, "own": case.id})
        return [row_as(CaseRow, row) for row in rows if access.may_see_case(actor, row)]

    async def erasures(self, subject: str) -> dict[Key, Erasure]:
        """Entry → its erasure, of those of this subject that count. Of two, the later one that left a text in its place."""
        found: dict[Key, Erasure] = {}
        for e in await self._journal.subject(subject):
            facts = facts_of(e.head) if e.sort == "erasure" else None
            if not isinstance(facts, BodyErased) or not self._shelf.counts(*e.key):
                continue
            body = body_of(e.head.kind, e.body)
            line = line_of(e.admitted, facts, body, self._shelf())
            key, instead = (facts.ledger, facts.origin, facts.seq), "" if body is None else body.text
            if instead or key not in found:
                found[key] = Erasure(facts.ground, instead, line)
        return found

    async def companions(self, actor: Actor, case: str) -> list[Companion]:
        """What was written apart about a case by offices in the actor's region, its own among them; the widest first."""
        if not actor.powers & access.CASE_POWERS:
            return []
        condition, values = listing.own_region(actor)
        async with self._journal.read() as c:
            sql = f"select distinct subject from opinion_row where case_subject = :case and {condition} order by subject"
            subjects = [row[0] for row in await named(c, sql, {**values, "case": case})]
        found = []
        for subject in subjects:
            entries = [e.admitted for e in await self._journal.subject(subject) if e.sort == COMPANION]
            made = fold_companion(entries, self._shelf(), self._shelf.good_until(entries))
            if made is not None:
                found.append(made)
        return sorted(found, key=lambda made: (place.tier(made.ledger), made.ledger))

    async def case_row(self, actor: Actor, subject: str) -> CaseRow:
        """Raises Refused case_unknown."""
        async with self._journal.read() as c:
            rows = await _dicts(c, "select * from case_row where subject = :subject", {"subject": subject})
            if not rows or not access.may_see_case(actor, rows[0]):
                raise Refused("case_unknown")
            known = await self._marks(c, [_last(rows[0])])
        return row_as(CaseRow, rows[0], known[_last(rows[0])])

    async def case_rows(self, actor: Actor, subjects: Iterable[str]) -> dict[str, CaseRow]:
        """Those of them that the actor may see, without marks."""
        async with self._journal.read() as c:
            rows = await _dicts(c, f"select * from case_row where {among(c, 'subject', 'some')}", {"some": bound(c, sorted(set(subjects)))})
        return {row["subject"]: row_as(CaseRow, row) for row in rows if access.may_see_case(actor, row)}

    async def stuck(self, actor: Actor, before_ms: int, most: int) -> tuple[list[CaseRow], int]:
        """(the newest, how many) cases whose last word was written here before then and has not reached every level yet: see underway.rows."""
        async with self._journal.read() as c:
            rows = await underway.rows(c, self._signer, self._shelf, before_ms)
            seen = [row for row in rows if access.may_see_case(actor, row)]
            some = {"some": bound(c, [row["subject"] for row in seen[:most]])}
            first = await _dicts(c, f"select * from case_row where {among(c, 'subject', 'some')} order by updated_ms desc", some)
            known = await self._marks(c, [_last(row) for row in first])
        return [row_as(CaseRow, row, known[_last(row)]) for row in first], len(seen)

    async def marks(self, keys: Iterable[Key]) -> dict[Key, tuple[Mark, ...]]:
        """How far each entry got: this node first, then each level that has a node which hears its ledger, nearest first."""
        async with self._journal.read() as c:
            return await self._marks(c, keys)

    async def line_marks(self, lines: Iterable[Line]) -> dict[Key, tuple[Mark, ...]]:
        """Of these entries; also whether they are read where they got to."""
        kinds = {(line.head.ledger, *line.key): line.kind for line in lines}
        async with self._journal.read() as c:
            return await marks.marks(c, kinds, self._shelf, self._signer.certificate, kinds)

    # ── tasks ──

    async def tasks(
        self, actor: Actor, case: str = "", open_only: bool = False, most: int = TASKS_MAX, cadre: str = "", marked: bool = True
    ) -> list[TaskRow]:
        """Tasks in places the actor's office covers, asked of its unit, or assigned by it: what ends first in front, then what is over.

        case: only those of this case, the last sent in front · cadre: only those that he has · marked: with their receipts; of hundreds that are
        only weighed they are asked for those that are shown (`marked_tasks`).
        """
        if not actor.powers & access.CASE_POWERS:
            return []
        condition, values = listing.any_of([listing.tasks_of(office) for office in actor.offices])
        if case:
            condition, values = f"case_subject = :case and {condition}", {**values, "case": case}
        if open_only:
            condition = f"{listing.TASK_GOES_ON} and {condition}"
        if cadre:
            condition, values = f"cadre = :cadre and {condition}", {**values, "cadre": cadre}
        order = "assigned_ms desc, subject" if case else _FIRST_DUE
        if marked:
            return await self._task_rows(condition, values, order, most)
        async with self._journal.read() as c:  # receipts come without an entry, all else with one
            key = ("tasks", case, open_only, most, cadre, *who(actor))
            return list(await self._kept.of(c, key, lambda: self._unmarked(c, condition, values, order, most), LONG_MS))

    async def marked_tasks(self, rows: Sequence[TaskRow]) -> list[TaskRow]:
        """The same with their receipts."""
        if not rows:
            return []
        async with self._journal.read() as c:
            known = await self._marks(c, keys := [(row.ledger, row.last_origin, row.last_seq) for row in rows])
        return [msgspec.structs.replace(row, marks=known[key]) for row, key in zip(rows, keys, strict=True)]

    async def declined(self, actor: Actor, most: int = TASKS_MAX) -> list[TaskRow]:
        """Visits that were declined and came to nobody since: their case is open, and no later task of it was sent. As `tasks` sees them."""
        if not actor.powers & access.CASE_POWERS:
            return []
        condition, values = listing.any_of([listing.tasks_of(office) for office in actor.offices])
        return await self._task_rows(f"{listing.DECLINED} and {condition}", values, "updated_ms desc, subject desc", most)

    async def asked(self, actor: Actor, most: int = TASKS_MAX) -> list[TaskRow]:
        """Visits on which somebody waits for an answer of the actor's office (listing.asked_of), the longest waiting in front."""
        if not actor.powers & access.CASE_POWERS:
            return []
        condition, values = listing.asked_of(actor, self._signer.certificate.node)
        return await self._task_rows(condition, values, "asked_ms, subject", most)

    async def tasks_in(self, view: str, actor: Actor, most: int) -> list[TaskRow]:
        """view: one of TASK_VIEWS. What ends first in front, without marks."""
        async with self._journal.read() as c:
            return await self._unmarked(c, *listing.task_view(view, actor), listing.TASK_ENDS, most)

    async def _cases_asked(self, c: AsyncConnection, actor: Actor, cases: Sequence[str]) -> set[str]:
        """Those of these cases that `asked` has a visit of."""
        condition, values = listing.asked_of(actor, self._signer.certificate.node)
        sql = f"select distinct case_subject from task_row where {condition} and {among(c, 'case_subject', 'cases')}"
        return {row[0] for row in await named(c, sql, {**values, "cases": bound(c, cases)})}

    async def my_tasks(self, actor: Actor) -> list[TaskRow]:
        """Those of the cadre who asks: open ones by what ends first, then the others, what changed last in front."""
        if "field" not in actor.powers or not actor.person:
            return []
        return await self._task_rows("cadre = :person and link = ''", {"person": actor.person}, _FIRST_DUE)

    async def carried(self, wanted: Sequence[tuple[str, str, Key]]) -> set[str]:
        """wanted: (task, node, its newest entry) → tasks of which that node said that it has the entry."""
        if not wanted:
            return set()
        async with self._journal.read() as c:
            where = f"{among(c, 'node', 'nodes')} and {among(c, 'ledger', 'ledgers')}"
            values = {"nodes": bound(c, {node for _, node, _ in wanted}), "ledgers": bound(c, {key[0] for _, _, key in wanted})}
            rows = await named(c, f"select node, ledger, origin, seq from peer_have where {where}", values)
        said = {(row.node, row.ledger, row.origin): row.seq for row in rows}
        written = {(task, node) for task, node, key in wanted if node == entries.node_of(key[1])}  # its own entries it has
        return {task for task, node, key in wanted if (task, node) in written or said.get((node, *key[:2]), 0) >= key[2]}

    async def task(self, actor: Actor, subject: str) -> Task:
        """Raises Refused task_unknown."""
        entries = [e.admitted for e in await self._journal.subject(subject) if e.sort == "task"]
        task = fold_task(entries, self._shelf(), self._shelf.good_until(entries)) if entries else None
        if task is None or not access.may_see_task(actor, task):
            raise Refused("task_unknown")
        return task

    # ── places and people ──

    async def places(self, actor: Actor) -> list[PlaceRow]:
        """The actor's own place and the places right below it."""
        tables, office = self._shelf(), actor.office
        seen, coming = await self._counts.places(actor)
        async with self._journal.read() as c:
            heard = {(r.node, r.ledger): r.at_ms for r in await named(c, "select node, ledger, at_ms from peer", {})}
        made = []
        for path in (office, *tables.children(office)):
            # the own row counts what lies in its own ledger only: its children stand below it
            merged = tables.places_merged_into(path)
            own = {k for k in (*seen, *coming) if k in merged or (k == path if path == office else place.within(k, path))}
            opened = sum((seen[ledger].opened for ledger in own if ledger in seen), Open())
            nodes = {n for n, known in self._shelf.certificates.items() if certificates.serves(known, path)}
            heard_ms = max((at_ms for (node, _), at_ms in heard.items() if node in nodes), default=None)
            offered = sum(coming.get(ledger, 0) for ledger in own)
            made.append(PlaceRow(path, tables.place_name(path), opened.cases, opened.late, offered, heard_ms))
        return made

    async def cadres(self, actor: Actor, place: str) -> list[CadreChoice]:
        """Reachable ones first, then by fewest open tasks. Raises Refused not_allowed."""
        if "assign" not in actor.powers:
            raise Refused("not_allowed", what="派单")
        kinds = [kind for kind, row in self._shelf().posts.items() if "field" in row.powers]
        async with self._journal.read() as c:
            posted, load = await self._kept.of(c, ("posted",), lambda: past.posted(c), LONG_MS)  # a page of many tasks asks for each
            posts = [p for p in posted if p.kind in kinds]
            names = await self._names(c, [p.subject for p in posts])
        made = []
        for p in posts:
            covers = home_covers(self._signer, self._shelf, p.home)
            reachable = covers_place(covers, place)
            linked = not reachable and covers_place(covers, p.ledger) and covers_place(self._signer.covers, p.ledger)
            busy_with, next_due_ms = load.get(p.subject, (0, None))
            known = (p.subject, names.get(p.subject, ""), p.title or "", p.ledger, p.home, covers, busy_with)
            made.append(CadreChoice(*known, reachable, linked, next_due_ms, p.kind))
        return sorted(made, key=lambda m: (not m.reachable, not m.linked, m.open_tasks, m.office, m.name))

    async def visited(self, actor: Actor, case: str, parties: Sequence[str]) -> dict[str, candidates.Past]:
        """See past.visited."""
        async with self._journal.read() as c:
            key = ("visited", case, *parties, *who(actor))
            return await self._kept.of(c, key, lambda: past.visited(c, actor, case, parties), LONG_MS)

    async def practised(self, actor: Actor, persons: Sequence[str], kind: str) -> dict[str, int]:
        """See past.practised. It looks up each visit of two years, so it is kept until a task goes on; a type that is corrected shows within a minute."""
        async with self._journal.read() as c:
            key, since_ms = ("practised", kind, *who(actor), *sorted(persons)), self._clock() - past.SKILL_MS
            return await self._kept.of(c, key, lambda: past.practised(c, actor, persons, kind, since_ms), LONG_MS, hangs_on=OF_TASKS)

    async def people(self, actor: Actor) -> list[PersonRow]:
        """Persons registered with the actor's office or below. Raises Refused not_allowed without the power people or admin."""
        if not actor.powers & {"people", "admin"}:
            raise Refused("not_allowed", what="查看人员")
        inside, values = listing.subtree("ledger", "own", actor.office)
        async with self._journal.read() as c:
            sql = f"select subject, name, phone, ledger from person_row where {inside} order by ledger, name, subject limit {PEOPLE_MAX}"
            persons = await named(c, sql, values)
            posts = await named(c, f"select * from post_row where {inside} order by ended, post", values)
        made = []
        for person in persons:
            own = [(p.post, p.kind, p.title or "", p.ledger, p.home or "", bool(p.ended)) for p in posts if p.subject == person.subject]
            made.append(PersonRow(person.subject, person.name or "", person.phone or "", person.ledger, tuple(own)))
        return made

    async def handlers(self, actor: Actor) -> list[tuple[str, str]]:
        """(person, name) of those with a post in the actor's own office that handles cases: who may be named."""
        kinds = {kind for kind, row in self._shelf().posts.items() if "mediate" in row.powers}
        async with self._journal.read() as c:
            posts = await named(c, "select subject, kind from post_row where ledger = :office and ended = 0", {"office": actor.office})
            names = await self._names(c, [p.subject for p in posts if p.kind in kinds])
        return sorted(names.items(), key=lambda named: (named[1], named[0]))

    async def person_name(self, person: str) -> str:
        """ "" when unknown here. The node itself ("") is 系统."""
        return (await self.person_names([person]))[person]

    async def person_phone(self, person: str) -> str:
        """His number at work, as 人员 has it; "" when unknown here."""
        async with self._journal.read() as c:
            rows = await named(c, "select phone from person_row where subject = :person", {"person": person})
        return (rows[0].phone or "") if rows else ""

    async def person_names(self, persons: Iterable[str]) -> dict[str, str]:
        """The same of many, in one question."""
        wanted = set(persons)
        async with self._journal.read() as c:
            found = await self._names(c, sorted(wanted - {""}))
        return {person: found.get(person, "") if person else "系统" for person in wanted}

    # ── for few ──

    async def sealed(self, actor: Actor) -> list[SealedReport]:
        """Only for the power `sealed` where the secret is; else Refused not_allowed. Newest first."""
        if "sealed" not in actor.powers or self._secret is None:
            raise Refused("not_allowed", what="查看密封件")
        condition, values = listing.subtree("ledger", "root", certificates.sealed_ledger(self._signer.certificate).rpartition("/")[0])
        async with self._journal.read() as c:
            rows = await fetch(c, f"{SELECT} where {condition} and sort = 'sealed' order by position desc", values)
            return [sealing.opened(e.head, e.body, e.received_ms, self._secret) for e in map(stored, rows)]

    async def quarantine(self, actor: Actor) -> list[QuarantineRow]:
        """What was refused from other nodes, newest first. Raises Refused not_allowed without the power admin or supervise."""
        if not actor.powers & {"admin", "supervise"}:
            raise Refused("not_allowed", what="查看拒收的数据包")
        like = {"sealed": refusals.SEALED_LIKE}
        rows = await self._journal.rows("quarantine", "ledger not like :sealed", like, order="last_ms desc", limit=refusals.SHOWN_MAX)
        fields = QuarantineRow.__struct_fields__
        return [QuarantineRow(**{n: row[n] for n in fields} | {"sentence": refusals.said(row["code"], row["sentence"])}) for row in rows]

    # ── the rest is private ──

    async def _asked(self, c: AsyncConnection, actor: Actor, asked: listing.Asked, hits: Sequence[str] | None = None) -> listing.Where:
        """What a list of cases holds. hits: see listing.found."""
        seen = await listing.visible(c, actor)
        wheres = [listing.view(asked.view, actor, self._clock(), seen)]
        wheres += [made(code) for made, code in ((listing.of_status, asked.status), (listing.of_type, asked.type)) if code]
        if asked.place:
            wheres.append(listing.in_place(asked.place, asked.narrowed.alone))
        if asked.narrowed != WHATEVER:
            wheres.append(listing.narrowed(asked.narrowed, self._clock(), seen))
        if asked.text:
            wheres.append(await listing.found(c, codes.as_code(asked.text), actor, hits))
        return " and ".join(sql for sql, _ in wheres), {name: value for _, some in wheres for name, value in some.items()}

    async def _subjects(self, c: AsyncConnection, actor: Actor, asked: listing.Asked, ordered: str) -> finding.Found:
        return await finding.found(c, asked, ordered, lambda hits: self._asked(c, actor, asked, hits))

    async def _told(self, actor: Actor, asked: listing.Asked) -> int | None:
        """How many a list holds, where that is known without a walk."""
        if asked.is_whole:
            return await self.total(actor) if asked.view == "all" else (await self.counts(actor))[asked.view]
        return await self._counts.in_place(actor, asked.view, asked.place) if asked.is_place and asked.view in PLACED else None

    async def _total(self, c: AsyncConnection, actor: Actor, alone: listing.Where | None, asked: listing.Where) -> int:
        """alone: nothing is asked but this, which an index counts; else a walk finds what holds all of it."""
        condition, values = alone or asked
        if alone:
            region, more = await listing.visible(c, actor, "ledger")
            condition, values = f"{condition} and {region}", {**values, **more}
        return (await named(c, f"select count(*) from case_row where {condition}", values))[0][0]

    async def _marks(self, c: AsyncConnection, keys: Iterable[Key]) -> dict[Key, tuple[Mark, ...]]:
        return await marks.marks(c, keys, self._shelf, self._signer.certificate)

    async def _task_rows(self, condition: str, values: dict[str, Any], order: str, most: int = TASKS_MAX) -> list[TaskRow]:
        async with self._journal.read() as c:
            rows = await self._unmarked(c, condition, values, order, most)
        return await self.marked_tasks(rows)

    async def _unmarked(self, c: AsyncConnection, condition: str, values: dict[str, Any], order: str, most: int) -> list[TaskRow]:
        rows = await _dicts(c, listing.page(condition, order, "task_row"), {**values, "per": min(most, TASKS_MAX), "skip": 0})
        return [row_as(TaskRow, row) for row in rows]

    async def _names(self, c: AsyncConnection, persons: Sequence[str]) -> dict[str, str]:
        if not persons:
            return {}
        values = {"persons": bound(c, sorted(set(persons)))}
        rows = await named(c, f"select subject, name from person_row where {among(c, 'subject', 'persons')}", values)
        return {row.subject: row.name or "" for row in rows}


def _last(row: Any) -> Key:
    return (row["ledger"], row["last_origin"] or "", row["last_seq"] or 0)


async def _dicts(c: AsyncConnection, sql: str, values: dict[str, Any]) -> list[dict[str, Any]]:
    return [row._asdict() for row in await named(c, sql, values)]
