"""The acts alone, without faults and without a simulated time: each is possible, each is the same twice, none harms a promise."""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from protocol import certificate as certificates
from protocol.commands import GivePost, RegisterPerson
from tests.node import desk_kit
from tests.node.desk_kit import ROOT, TOWN, UNIT, VILLAGE, exchange
from tests.simulation import acts
from tests.simulation.phone import Action, Phone
from tests.simulation.store import Disk, open_journal

STAFF = {
    "root": [("operator", ROOT), ("operator", ROOT), ("admin", ROOT), ("department", UNIT), ("cadre", ROOT)],
    "town": [("officer", TOWN), ("officer", TOWN), ("cadre", TOWN)],
    "village": [("clerk", VILLAGE), ("mediator", VILLAGE)],
    "stranger": [("officer", desk_kit.OTHER_TOWN), ("cadre", desk_kit.OTHER_TOWN)],
}

NOT_BY_CHANCE = {"decide_branch", "send_again", "review_task", "pry", "forge", "usurp"}  # want a copy, a kill, their own test, a wire
MATERIAL = ("log", "accept", "escalate", "convene", "ask")  # for what the play before did not come to
NEVER = {"log_out_of_place", "borrow_an_id", "late_outcome", "out_of_turn"}  # a refusal is what they are for


class SmallCounty(desk_kit.County):
    """The desk kit's county over stores in memory."""

    async def open(self, seed: int) -> None:
        self.chance = random.Random(seed)
        for kind in STAFF:
            node = await self.node(kind)
            node.tables, node.certificate, node.name = node.shelf, node.signer.certificate, kind
        root = self.nodes[0]
        for node in self.nodes:
            await root.desk.enrol_node(node.signer.certificate)
        await exchange(*self.nodes)
        for node in self.nodes:
            await self._staffed(node)
        await exchange(*self.nodes)

    async def _staffed(self, node: desk_kit.Node) -> None:
        admin = node.actor("admin", node.office)
        for n, (kind, office) in enumerate(STAFF[node.kind]):
            person, post = desk_kit.person_id(f"{kind} {office} {n}"), f"{kind}.{n:08x}"
            ids = (desk_kit.person_id(f"register {post} {office}"), desk_kit.person_id(f"give {post} {office}"))
            await node.say(RegisterPerson(id=ids[0], person=person, office=office, name=f"{kind}{n}"), admin)
            home = node.signer.node if kind == "cadre" else ""
            await node.say(GivePost(id=ids[1], post=post, person=person, office=office, title="岗位", home=home), admin)

    async def play(self, record: acts.Record, steps: int, kinds: Sequence[str] = tuple(acts.KINDS)) -> list[str]:
        weights = [acts.KINDS[kind] for kind in kinds]
        trace = []
        for n in range(steps):
            node = self.chance.choice(self.nodes)
            kind = self.chance.choices(kinds, weights)[0]
            self.clock.pass_ms(self.chance.choice((60_000, 3_600_000)))
            trace.append(f"{node.kind} {await acts.do(node, kind, random.Random(self.chance.getrandbits(64)), record)}")
            if n % 14 == 13:
                await self.meet()
        return trace

    async def meet(self) -> None:
        await exchange(*self.nodes)
        for node in self.nodes:
            await node.desk.arrivals()
        await exchange(*self.nodes)


@pytest.fixture
def county(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    image: list[bytes] = []

    async def in_memory(url: str, key: bytes | None, shelf: object):
        disk = Disk(random.Random(url), image[0] if image else None, slow=0)
        journal = await open_journal(disk, shelf)
        image.append(disk.image())
        return journal

    monkeypatch.setattr(desk_kit, "open_journal", in_memory)
    made = iter(range(1_000))
    return lambda: SmallCounty(tmp_path / str(next(made)))


def committed(county: SmallCounty) -> dict[str, object]:
    """Every row of every node, but for when it was received."""
    sql = "select ledger, origin, seq, head_bytes, salt, body, hash, signature from entry order by ledger, origin, seq"
    return {node.kind: node.journal._writer.disk.rows(sql) for node in county.nodes}


def judged(county: SmallCounty, record: acts.Record) -> None:
    for told in record.acknowledged:
        for node in county.nodes:
            if certificates.hears(node.signer.certificate, told.ledger):
                found = record.look(node, [(told.ledger, told.origin, told.seq_first), (told.ledger, told.origin, told.seq_last)])
                assert found == [told.hashes[0], told.hashes[-1]], f"{told} at {node.kind}"
    codes = {told.command: told.code for told in record.acknowledged if told.code}
    assert len(set(codes.values())) == len(codes), "no code was given twice"


async def test_every_act_is_possible_and_what_was_acknowledged_is_everywhere_it_belongs(county):
    done: Counter[str] = Counter()
    here, record = county(), acts.in_memory()
    await here.open(1)
    for line in await here.play(record, 300):
        _, kind, word = line.split()[:3]  # `kind:` is another key, that of what was not to be done
        done[kind] += word != "refused"
    for kind in sorted(set(acts.KINDS) - set(+done) - NOT_BY_CHANCE):
        for n in range(120):
            said = await acts.do(here.nodes[n % len(here.nodes)], kind, random.Random(n), record)
            if said.split()[0] == kind and said.split()[1] != "refused":
                done[kind] += 1
                break
            if n % 20 == 19:
                await here.play(record, 12, MATERIAL)
                await here.meet()
    await here.meet()
    judged(here, record)
    await here.close()
    never = sorted(set(acts.KINDS) - set(+done) - NOT_BY_CHANCE - NEVER)
    assert not never
    assert record.erased and record.secrets


async def test_the_same_seed_gives_the_same_words_and_the_same_bytes(county):
    runs = []
    for _ in range(2):
        here, record = county(), acts.in_memory()
        await here.open(7)
        trace = await here.play(record, 90)
        runs.append({"trace": trace, "rows": committed(here), "told": record.acknowledged, "forms": record.forms})
        await here.close()
    for what, first in runs[0].items():
        assert first == runs[1][what], f"{what} differ"


async def test_a_form_that_got_no_answer_is_sent_again_and_counts_once(county):
    here, record = county(), acts.in_memory()
    await here.open(3)
    village = next(node for node in here.nodes if node.kind == "village")
    disk = village.journal._writer.disk
    disk.is_full = True
    assert await acts.do(village, "log", random.Random(1), record) == "log refused disk_full"
    disk.is_full = False
    ready, village.desk.ready = village.desk.ready, asyncio.Event().wait
    killed = asyncio.ensure_future(acts.do(village, "log", random.Random(2), record))
    while len(record.forms) < 2:
        await asyncio.sleep(0)  # it stays where it is now: its node was killed
    assert not record.acknowledged
    village.desk.ready = ready
    again = [await acts.do(village, "send_again", random.Random(n), record) for n in range(3)]
    assert again[:2] == ["send_again ok"] * 2 and again[2] == "send_again: nothing to do"
    assert await acts.do(village, "send_answered_again", random.Random(4), record) == "send_answered_again ok"
    assert len(await village.journal.rows("case_row")) == 2
    await here.meet()
    judged(here, record)
    killed.cancel()
    await here.close()


async def test_a_report_that_crosses_a_recall_is_reviewed(county):
    """And the phone lets go of nothing before a second node has it."""
    here, record = county(), acts.in_memory()
    await here.open(5)
    town = next(node for node in here.nodes if node.kind == "town")

    async def act(kind: str) -> str:
        return await acts.do(town, kind, random.Random(f"{kind} {here.clock.now_ms}"), record)

    assert await act("assign_free") == "assign_free ok"
    (cadre,) = [row["subject"] for row in await town.journal.rows("post_row", "ledger = :town and kind = 'cadre'", {"town": TOWN})]
    record.phones[cadre] = phone = Phone(cadre, town.signer.node)
    await acts.settle_phones(town, random.Random(1), record)
    (task,) = phone.tasks
    phone.has_signal = False
    for kind in ({"kind": "ConfirmTask"}, {"kind": "ReportTask", "result": "eased", "words": "双方都松口了"}):
        phone.counter += 1
        said = {**kind, "id": f"on-the-phone-{phone.counter}", "task": task, "at_ms": here.clock.now_ms}
        phone.kept.append(Action(phone.counter, phone.person, said))
    assert await act("recall") == "recall ok"
    await acts.settle_phones(town, random.Random(1), record)
    assert [action.sent for action in phone.kept] == [True], (
        "it was refused to confirm what was recalled; the report stays until it is safe"
    )
    assert await act("review_task") == "review_task ok"
    await here.meet()
    assert phone.kept, "no Have has come in this test, so nobody has said that they hold it"
    judged(here, record)
    await here.close()


async def test_what_was_told_and_is_not_there_is_noticed(county, monkeypatch: pytest.MonkeyPatch):
    here, record = county(), acts.in_memory()
    await here.open(3)
    village = next(node for node in here.nodes if node.kind == "village")
    submit = village.desk.submit

    async def told_too_early(*words: object) -> object:
        outcome = await submit(*words)
        village.journal._writer.disk.connection.execute("delete from entry where seq = (select max(seq) from entry)")
        return outcome

    monkeypatch.setattr(village.desk, "submit", told_too_early)
    with pytest.raises(acts.Broken, match="not all there"):
        await acts.do(village, "log", random.Random(1), record)
    await here.close()
