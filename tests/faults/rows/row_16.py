"""The rules under every order of who heard what: a state machine of four desks, one case, and words carried when Hypothesis likes.

Each desk decides by what it has; the clerks are in no hurry to hear of each other, so two hold at once, outcomes come late in old terms,
papers are signed in a term that had been closed elsewhere. After each step, at the node it happened at, and after everybody has heard
everything: nothing vanished; what does not count is set aside with an owner and a day, or was decided; a legal fact stands.
"""

from collections import Counter
from pathlib import Path
from random import Random
from typing import Any, Final

import msgspec
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from protocol import commands as c
from protocol import dispute
from protocol.case import Case, key_text
from protocol.entry import Admitted
from protocol.problem import Refused
from tests.faults.row import Outcome, Row
from tests.protocol.county import EVERYTHING, TABLES, TOWNSHIP, VILLAGE, County, Node, actor, ask
from tests.protocol.test_fold_properties import OFFICES, check_sound, decided_by_facts

RUNS, STEPS = 60, 50
USUAL: Final = ("EscalateDispute", "HandDownDispute", "TakeUpDispute", "AcceptDispute", "RecordMediation", "SignAgreement", "CallUpDispute")
ENDS: Final = frozenset({"DeclineDispute", "VoidDispute", "MergeDispute", "CloseDispute", "ArchiveDispute"})
count: Counter[str] = Counter()


class Desks(RuleBasedStateMachine):
    """written: what a desk was allowed to write, each a promise to somebody."""

    @initialize(by_township=st.booleans())
    def log(self, by_township: bool) -> None:
        self.world = County()
        self.written: list[Admitted] = []
        self.subject = self.world.log(self.world.township, VILLAGE, TOWNSHIP) if by_township else self.world.log()
        self.world.sync()

    @rule(who=st.sampled_from(OFFICES), data=st.data())
    def act(self, who: tuple[int, str], data: st.DataObject) -> None:
        node, office = self.world.nodes[who[0]], who[1]
        case, by = node.case(self.subject), actor(office, EVERYTHING)
        offered = sorted({step.command for step in dispute.steps(case, by, node.context())} - {"AssignTask"})
        likely = [name for name in USUAL if name in offered] or [name for name in offered if name not in ENDS] or offered
        if not offered:
            return
        name = data.draw(st.sampled_from(likely) if data.draw(st.integers(0, 3)) else st.sampled_from(offered))
        command = ask(getattr(c, name), self.subject, self.world.id(), case, office, self._fields(name, case, data))
        try:
            written = node.do(command, by, cases={})
        except Refused:
            return  # for its contents, which `steps` does not ask
        count["steps"] += 1
        self._note(node, written)

    def _fields(self, name: str, case: Case, data: st.DataObject) -> dict[str, Any]:
        if name == "DecideReview":
            return {
                "item": data.draw(st.sampled_from([r.item for r in case.reviews])),
                "decision": data.draw(st.sampled_from(["adopt", "reject"])),
            }
        if name == "HandDownDispute":
            return {"to": data.draw(st.sampled_from(dispute.receivers_down(case.holder, case.ledger, TABLES)))}
        if name == "CloseDispute":
            return {"ending": data.draw(st.sampled_from(["agreement", "ended", "law", "withdrawn", "pledge"]))}
        return {}

    def _note(self, node: Node, written: list[Admitted]) -> None:
        """What decide allowed counts where it was decided, at once."""
        lines = {line.key: line for line in node.case(self.subject).lines}
        for one in (one for one in written if one.head.subject == self.subject):
            assert not lines[one.key].set_aside and not lines[one.key].waiting, one.head.kind
            self.written.append(one)
        self.check(node)

    @rule(to=st.integers(0, 3), from_=st.integers(0, 3))
    def hear(self, to: int, from_: int) -> None:
        if to != from_:
            node = self.world.nodes[to]
            node.pull(self.world.nodes[from_])
            count["steps"] += 1
            self.check(node)

    @rule(to=st.integers(0, 3), from_=st.integers(0, 3), upto=st.integers(0, 6))
    def hear_a_part(self, to: int, from_: int, upto: int) -> None:
        """The beginning of each lane that is new: the wire was cut meanwhile."""
        if to == from_:
            return
        node, other = self.world.nodes[to], Node("nhalfway2", (), ("330523/*",))
        for key, one in self.world.nodes[from_].entries.items():
            last = max((seq for ledger, origin, seq in node.entries if (ledger, origin) == key[:2]), default=0)
            if key[2] <= last + upto:
                other.entries[key] = one
        node.pull(other)
        count["steps"] += 1
        self.check(node)

    @rule(who=st.integers(0, 3))
    def arrive(self, who: int) -> None:
        self.world.nodes[who].arrive(self.subject)

    @precondition(lambda self: getattr(self, "written", None))
    @rule()
    def all_hear_all(self) -> None:
        self.world.sync()
        told = {msgspec.msgpack.encode(_timeless(node.case(self.subject))) for node in self.world.nodes}
        assert len(told) == 1, "nodes with the same entries tell different things"
        for node in self.world.nodes:
            self.check(node)

    def check(self, node: Node) -> None:
        case, entries = node.case(self.subject), node.of(self.subject)
        check_sound(case, entries)
        here = {one.key for one in entries}
        for review in case.reviews:
            assert review.owner == case.holder and review.due_ms > 0, review
            count[f"as {review.code}"] += 1
        aside = {line.key for line in case.lines if line.set_aside}
        waiting = {line.key for line in case.lines if line.waiting}
        undecided = {review.item for review in case.reviews}
        papers = {paper.key for paper in case.agreements}
        for one in self.written:
            if one.key not in here or one.key in waiting:
                continue
            if one.key in aside:
                count[f"set aside {one.head.kind}"] += 1
                decided = any(line.key == one.key and "核对结果" in line.set_aside for line in case.lines)
                assert key_text(one.key) in undecided or decided, f"{one.head.kind} is set aside and nobody's"
            if one.head.kind == "AgreementSigned":
                assert one.key in papers, "a signed paper was undone"
            if one.head.kind == "DisputeAccepted":
                assert case.accepted_ms is not None and case.accepted_ms <= one.head.occurred_ms, "an acceptance was undone"

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.all_hear_all()


def _timeless(case: Case) -> Any:
    """All that facts decide, without this node's own times."""
    told = decided_by_facts(case)
    return msgspec.json.encode([_without_received(part) for part in told])


def _without_received(part: Any) -> Any:
    if isinstance(part, list) and part and hasattr(part[0], "received_ms"):
        return [msgspec.structs.replace(one, received_ms=0) for one in part]
    if isinstance(part, list) and part and isinstance(part[0], tuple) and len(part[0]) == 4 and part[0][0].__class__ is str:
        return [one[:3] for one in part]  # a review's day runs from when this node knew
    return part


async def play(draw: Random, folder: Path) -> Outcome:
    count.clear()
    machine = seed(draw.getrandbits(64))(type("Desks", (Desks,), {}))
    options = settings(
        max_examples=RUNS, stateful_step_count=STEPS, database=None, deadline=None, suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
    )  # fmt: skip
    run_state_machine_as_test(machine, settings=options)
    aside = {kind.removeprefix("set aside "): n for kind, n in count.items() if kind.startswith("set aside")}
    codes = {code: n for code, n in count.items() if code.startswith("as ")}
    return Outcome(count["steps"], images=count["steps"], said=(f"{count['steps']} steps; seen set aside: {aside or 'nothing'}; {codes}",))


ROW = Row(
    16, "two holders by stale view; late outcome in an old term", "set aside with owner and deadline; legal facts not undone", (), play,
)  # fmt: skip
