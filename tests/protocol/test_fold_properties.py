"""What must hold of every set of entries: of histories that nodes make by the rules, and of entries that nobody should have written."""

import random
from contextlib import suppress
from functools import cache
from typing import Any, Final

import msgspec
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from protocol import commands as c
from protocol import dispute, events, transfer, views
from protocol import task as task_rules
from protocol.case import Case, Task, key_of, key_text
from protocol.entry import FORMAT, Admitted, Head
from protocol.events import Draft
from protocol.facts import Fen, Id, Latitude, Longitude, Metres, Path, Whole
from protocol.fold import fold_case, fold_person, fold_task
from protocol.problem import Refused
from tests.protocol.county import COUNTY, COURT, EVERYTHING, FAR, TABLES, TOWNSHIP, UNIT, VILLAGE, County, Node, actor, ask

SOME: Final = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
OFFICES: Final = ((0, COUNTY), (0, UNIT), (1, COUNTY), (1, COURT), (2, TOWNSHIP), (3, VILLAGE))
OFTEN: Final = ("EscalateDispute", "HandDownDispute", "TakeUpDispute", "AcceptDispute", "RecordMediation", "SignAgreement")  # the usual way
SELDOM: Final = ("CallUpDispute", "DeclineDispute", "VoidDispute", "CloseDispute")


class History:
    """A run drawn from a seed: nodes act by what `steps` offers them, and hear of one another now and then."""

    def __init__(self, seed: int, *, apart: bool) -> None:
        self.world, self.draw, self.apart = County(), random.Random(seed), apart
        self.hears, self.rash = self.draw.choice([0.2, 0.5, 0.95]), self.draw.choice([0, 1, 4])
        self.subject = self.world.log(self.world.township, VILLAGE, TOWNSHIP) if seed % 3 else self.world.log()
        self.world.sync()

    def run(self, steps: int) -> "History":
        for _ in range(steps):
            n, office = self.draw.choice(OFFICES)
            node = self.world.nodes[n]
            if not self.apart:
                self.world.sync()
            elif self.draw.random() < self.hears:
                node.pull(self.draw.choice(self.world.nodes))
            self.act(node, office)
        return self

    def act(self, node: Node, office: str) -> None:
        if self.draw.random() < 0.2:
            return node.arrive(self.subject)
        case, who = node.case(self.subject), actor(office, EVERYTHING)
        told = case.transfer is not None and case.transfer.answer != "returned" and case.status in transfer.ANSWERABLE
        if told and node.serves[0] == COUNTY and self.draw.random() < 0.5:
            return self.answer(node, case)
        offered = [step.command for step in dispute.steps(case, who, node.context()) if step.command != "AssignTask"]
        if not offered:
            return None
        name = self.draw.choices(offered, [8 if name in OFTEN else self.rash + 0.01 if name in SELDOM else 2 for name in offered])[0]
        command = ask(getattr(c, name), self.subject, self.world.id(), case, office, self.fields(name, case))
        with suppress(Refused):  # for its contents, which `steps` does not ask
            self.check_it_counts(node, node.do(command, who, cases={}))
        return None

    def answer(self, node: Node, case: Case) -> None:
        """What the county's node writes by itself once the successor was taken up, came back or got further."""
        answer, status = self.draw.choice([("taken_up", "logged"), ("taken_up", "closed"), ("returned", "merged")])
        if not case.transfer.answer and (case.offer is None or case.offer.key != case.transfer.key):
            answer, status = "returned", "merged"  # called up meanwhile: that somebody took it up all the same would be for a review
        at = (tuple(sorted(case.seen.items())), key_text(case.transfer.key), answer, status, "", FAR, node.now_ms)
        node.write([Draft(case.ledger, case.id, "dispute", events.TransferAnswered("", case.term, *at))], self.world.id())

    def fields(self, name: str, case: Case) -> dict[str, Any]:
        if name == "DecideReview":
            return {"item": self.draw.choice(case.reviews).item, "decision": self.draw.choice(["adopt", "reject"])}
        if name == "HandDownDispute":
            return {"to": self.draw.choice(dispute.receivers_down(case.holder, case.ledger, TABLES))}
        if name == "CloseDispute":
            return {"ending": self.draw.choice(["agreement", "ended", "law", "withdrawn", "pledge"])}
        return {}

    def check_it_counts(self, node: Node, written: list[Admitted]) -> None:
        """What decide allowed is never set aside where it was decided."""
        case = node.case(self.subject)
        lines = {line.key: line for line in case.lines}
        for one in written:
            if one.head.subject == self.subject:
                assert not lines[one.key].set_aside, one.head.kind
                assert not lines[one.key].waiting

    def entries(self) -> list[Admitted]:
        self.world.sync()
        return [msgspec.structs.replace(one, received_ms=1) for one in self.world.county.of(self.subject)]


def erased(admitted: list[Admitted]) -> list[Admitted]:
    return [msgspec.structs.replace(one, body=None, erased=True) for one in admitted]


def decided_by_facts(case: Case | None) -> Any:
    """All of a case that must not depend on a body."""
    if case is None:
        return None
    offer = case.offer and (case.offer.to, case.offer.by, case.offer.kind, case.offer.due, case.offer.key, case.offer.arrived_ms)
    papers = [(p.number, p.form, p.signed_ms, p.due, p.follow_up_by, p.amount_fen, p.key, p.office, p.late) for p in case.agreements]
    return (
        case.id, case.ledger, case.code, case.type, case.status, case.holder, case.handler, case.term, case.term_since_ms, offer,
        case.logged_ms, case.accepted_ms, papers, case.agreement and case.agreement.key, case.ending, case.closed_ms, case.ended_ms,
        case.archived_ms, [(f.key, f.office, f.kept, f.satisfied, f.at_ms) for f in case.follow_ups], case.follow_up_by, case.convened,
        case.moves, [(r.item, r.owner, r.code, r.due_ms) for r in case.reviews], case.turn, case.seen, case.merged_into, case.retention,
        case.risk, case.headcount, case.amount_fen, case.due, case.aliases, case.predecessor, case.successor, case.answer, case.answered, [(x.key, x.set_aside, x.waiting) for x in case.lines],
    )  # fmt: skip


def shuffled(admitted: list[Admitted], seed: int) -> list[Admitted]:
    mixed = [*admitted, *admitted[::3]]  # some of them twice
    random.Random(seed).shuffle(mixed)
    return mixed


@SOME
@given(st.integers(0, 2**32), st.booleans())
def test_every_history_folds_alike_in_any_order_without_bodies_and_at_every_node(seed: int, apart: bool) -> None:
    history = History(seed, apart=apart).run(14)
    entries = history.entries()
    case = fold_case(entries, TABLES)
    assert case is not None
    assert msgspec.msgpack.encode(fold_case(shuffled(entries, seed), TABLES)) == msgspec.msgpack.encode(case)
    assert decided_by_facts(fold_case(erased(entries), TABLES)) == decided_by_facts(case)
    for node in history.world.nodes:
        there = [msgspec.structs.replace(one, received_ms=1) for one in node.of(history.subject)]
        assert decided_by_facts(fold_case(there, TABLES)) == decided_by_facts(case)
    check_sound(case, entries)


def check_sound(case: Case, entries: list[Admitted]) -> None:
    """Nothing is lost; one holder a term; what is set aside and not decided has exactly one review, owned by the holder."""
    assert sorted(line.key for line in case.lines) == sorted(one.key for one in entries)
    assert [move.term for move in case.moves] == list(range(1, case.term + 1))
    assert case.moves[-1].to == case.holder
    assert [move.from_ for move in case.moves[1:]] == [move.to for move in case.moves[:-1]]
    aside = {key_text(line.key) for line in case.lines if line.set_aside and "核对结果" not in line.set_aside}
    assert sorted(review.item for review in case.reviews) == sorted(aside)
    assert {review.owner for review in case.reviews} <= {case.holder}
    assert all(case.seen[origin] >= 1 for origin in case.seen)
    for line in case.lines:
        assert line.waiting == (line.key[1] > case.seen.get(line.key[0], 0))
        assert not (line.waiting and line.set_aside)


@SOME
@given(st.integers(0, 2**32), st.integers(0, 2**32))
def test_the_end_of_a_post_leaves_a_case_sound_and_takes_nobody_elses_word(seed: int, cut: int) -> None:
    """Of one post everything beyond a drawn seq of each lane is set aside, whatever the order; what others wrote is judged as before."""
    entries = History(seed, apart=True).run(14).entries()
    draw = random.Random(cut)
    post = draw.choice(sorted({one.head.author[1] for one in entries} - {"node"}))
    limits = {(one.head.ledger, one.head.origin, post): draw.randint(1, 12) for one in entries}
    case = fold_case(entries, TABLES, limits)
    assert case is not None
    check_sound(case, entries)
    assert msgspec.msgpack.encode(fold_case(shuffled(entries, seed), TABLES, limits)) == msgspec.msgpack.encode(case)
    assert decided_by_facts(fold_case(erased(entries), TABLES, limits)) == decided_by_facts(case)
    over = {one.key for one in entries if one.head.author[1] == post and one.head.seq > limits[one.head.ledger, one.head.origin, post]}
    lines = {line.key: line for line in case.lines}
    assert all(lines[key].waiting or lines[key].set_aside or "核对" in lines[key].text for key in over)
    assert {key_of(r.item) for r in case.reviews if r.code == "post_over"} <= over


@SOME
@given(st.integers(0, 2**32), st.integers(0, 2**32))
@example(344, 1)  # the answer to a transfer of a case that was removed meanwhile
@example(3617132518, 3)  # … that was called up meanwhile
def test_nothing_is_judged_by_what_is_missing(seed: int, cut: int) -> None:
    """Of a history in which everyone knew everything, any beginning of each lane has nothing set aside: the rest waits."""
    entries = History(seed, apart=False).run(14).entries()
    draw = random.Random(cut)
    upto = {origin: draw.randint(1, 16) for origin in sorted({one.head.origin for one in entries})}
    some = [one for one in entries if one.head.seq <= upto[one.head.origin]]
    case = fold_case(some, TABLES)
    if case is not None:
        assert [review.kind for review in case.reviews] == []
        check_sound(case, some)
        for line in case.lines:
            named = events.facts_of(line.head).seen
            assert line.waiting or all(seq <= case.seen.get(origin, 0) for origin, seq in named)


@SOME
@given(st.integers(0, 2**32), st.integers(0, 2**32))
def test_any_beginning_of_each_lane_is_sound(seed: int, cut: int) -> None:
    entries = History(seed, apart=True).run(14).entries()
    draw = random.Random(cut)
    upto = {origin: draw.randint(1, 16) for origin in sorted({one.head.origin for one in entries})}
    some = [one for one in entries if one.head.seq <= upto[one.head.origin]]
    case = fold_case(some, TABLES)
    if case is not None:
        check_sound(case, some)


# ── entries that nobody should have written ──

ORIGINS: Final = ("nvillagea:1", "ntownship:1", "ncountyaa:1")
PLACES: Final = ("", "_", VILLAGE, TOWNSHIP, COUNTY, UNIT, "330523/330523100", "x/y/z/w", "//")
KEYS: Final = [f"{origin}/{seq}" for origin in ORIGINS for seq in range(1, 5)] + ["", "/", "nobody/x", "nvillagea:1/-1"]
WORDS: Final = (
    "",
    "yes",
    "no",
    "adopt",
    "reject",
    "green",
    "red",
    "title",
    "type",
    "amount_fen",
    "parties",
    "alias",
    "visit",
    "join",
    "0204",
)
_text = st.sampled_from(WORDS) | st.sampled_from(PLACES) | st.sampled_from(KEYS) | st.text(max_size=4)
_int = st.integers(-3, 6) | st.sampled_from([-(2**63), 2**63 - 1, 2**64 - 1])
_seen = st.lists(st.tuples(st.sampled_from(ORIGINS), st.integers(0, 5)), max_size=3).map(tuple)
_by_type: Final[dict[Any, st.SearchStrategy[Any]]] = {
    str: _text,
    Path: _text,
    Id: _text | st.sampled_from(["a" * 32, "b" * 8]),
    Whole: _int,
    bool: st.booleans(),
    Whole | None: st.none() | _int,
    Fen | None: st.none() | _int,
    str | Whole | None: st.none() | _int | _text,
    bytes: st.binary(max_size=3),
    tuple[str, ...]: st.lists(_text, max_size=3).map(tuple),
    tuple[tuple[str, str, Whole], ...]: st.just(()),
    tuple[bytes, ...]: st.just(()),
}


@cache
def facts_strategy(kind: str) -> st.SearchStrategy[events.Facts]:
    shape = events.EVENTS[kind][0]
    fields = {f.name: f.type for f in msgspec.structs.fields(shape)}
    of = {"office": st.sampled_from(PLACES), "term": st.integers(-1, 4), "seen": _seen}
    return st.builds(shape, **{name: of[name] if name in of else _by_type[type_] for name, type_ in fields.items()})


_party = st.builds(c.Party, _text, side=_text)
_by_type |= {
    c.Party: _party,
    list[c.Party]: st.lists(_party, max_size=2),
    list[str]: st.lists(_text, max_size=2),
    str | Whole | list[c.Party] | None: st.none() | _int | _text | st.lists(_party, max_size=2),
    c.Blob: st.just(c.Blob("a" * 64, b"k", "x", "y", 1)),
    c.Blob | None: st.none() | st.just(c.Blob("b" * 64, b"k", "x", "y", 1)),
    **dict.fromkeys((Latitude | None, Longitude | None, Metres | None), st.none() | st.floats()),
}


@cache
def body_strategy(kind: str) -> st.SearchStrategy[bytes | None]:
    shape = events.EVENTS.get(kind, (None, None))[1]
    if shape is None:
        return st.none()
    made = st.builds(shape, **{f.name: _by_type[f.type] for f in msgspec.structs.fields(shape)})
    return st.none() | st.binary(max_size=4) | made.map(msgspec.msgpack.encode)


@st.composite
def admitted_strategy(draw: st.DrawFn) -> Admitted:
    kind = draw(st.sampled_from(sorted(events.EVENTS) + ["DisputeLogged"] * 8 + ["TaskAssigned"] * 4 + ["DisputeDreamt"]))
    facts = draw(facts_strategy(kind)) if kind in events.EVENTS else events.Unknown(VILLAGE, 1, ())
    raw = draw(st.sampled_from([msgspec.msgpack.encode(facts)] * 9 + [b"\xc0", b"\x93\xa0\x01\xc0"]))
    head = Head(
        FORMAT, draw(st.sampled_from([VILLAGE] * 5 + [TOWNSHIP])), draw(st.sampled_from(ORIGINS)), draw(st.integers(1, 4)), "0" * 32, "dispute",
        draw(st.integers(0, 6) | st.just(2**63 - 1)), draw(_int), draw(st.none() | _int), ("p", "q"), draw(st.sampled_from(["a", "b"])), kind,
        msgspec.Raw(raw), b"",
    )  # fmt: skip
    return Admitted(head, draw(body_strategy(kind)), draw(st.integers(0, 2**53)), draw(st.booleans()))


def case_of(admitted: list[Admitted]) -> bytes:
    return msgspec.msgpack.encode(fold_case(admitted, TABLES))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.lists(admitted_strategy(), max_size=9), st.integers(0, 99))
def test_no_set_of_entries_stops_a_fold_or_a_view(admitted: list[Admitted], seed: int) -> None:
    mixed = shuffled(admitted, seed)
    assert case_of(mixed) == case_of(admitted)
    assert msgspec.msgpack.encode(fold_task(mixed, TABLES)) == msgspec.msgpack.encode(fold_task(admitted, TABLES))
    assert msgspec.msgpack.encode(fold_person(mixed)) == msgspec.msgpack.encode(fold_person(admitted))
    for sort in ("dispute", "task", "person", "common", "sealed", "lane"):
        assert views.rows(sort, mixed, TABLES) == views.rows(sort, admitted, TABLES)
        assert views.search_text(sort, mixed) == views.search_text(sort, admitted)
    for limits in ({}, {(VILLAGE, origin): 2 for origin in ORIGINS}, {(VILLAGE, origin, "q"): 2 for origin in ORIGINS}):
        views.rows("person", admitted, TABLES, limits)
        fold_case(admitted, TABLES, limits)
        check_task_sound(fold_task(admitted, TABLES, limits))


def check_task_sound(task: Task | None) -> None:
    """What is set aside and not decided has exactly one review with an owner; nothing else has, but for a report that crossed a recall."""
    if task is None:
        return
    aside = {key_text(line.key) for line in task.lines if line.set_aside and "核对结果" not in line.set_aside}
    items = [review.item for review in task.reviews if review.code != "crossed"]
    assert sorted(items) == sorted(aside)
    assert all(review.owner == task_rules.owner_of(task) and review.due_ms > 0 for review in task.reviews)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.integers(0, 2**32), st.lists(admitted_strategy(), max_size=4))
def test_entries_that_nobody_should_have_written_leave_a_history_sound(seed: int, strange: list[Admitted]) -> None:
    history = History(seed, apart=True).run(6)
    entries = history.entries()
    taken = {one.key for one in entries}
    mine = entries[0].head
    for one in strange:
        head = msgspec.structs.replace(one.head, subject=mine.subject, ledger=mine.ledger, seq=one.head.seq + 40)  # after its honest ones
        if (head.origin, head.seq) not in taken:
            entries.append(msgspec.structs.replace(one, head=head, received_ms=1))
            taken.add((head.origin, head.seq))
    case = fold_case(entries, TABLES)
    assert case is not None
    check_sound(case, entries)
    assert decided_by_facts(fold_case(erased(entries), TABLES)) == decided_by_facts(case)


def test_a_key_is_written_and_read_back() -> None:
    assert key_of(key_text(("nvillagea:1", 17))) == ("nvillagea:1", 17)
    assert [key_of(text) for text in ("", "/", "a/", "/1", "a/x", "a/-1", "a/²", "a/" + "9" * 19)] == [None] * 8
