"""What an enrolled node may sign stops nothing but itself: the door, lanes of others, what a node writes by itself."""

from collections import Counter
from itertools import count

import msgspec
import pytest

from protocol import events
from protocol.commands import AddNote, Blob, TransferDispute
from protocol.entry import Head, decode_head, encode_head
from protocol.events import BodyErased, Draft, EvidenceAdded, EvidenceAddedBody, body_of, facts_of
from protocol.lane import COUNT_MAX
from protocol.node.blobs import FILE_BYTES_MAX
from protocol.node.journal import rebuild
from protocol.problem import Refused
from tests.node.desk_kit import OTHER_TOWN, TOWN, VILLAGE, County, carry, dispute, exchange, new_id
from tests.node.hostile_kit import ABSURD, COUNTY_ONLY, Writer, draft, logged

SUBJECT = "5" * 32


def evidence(size: int, address: str = "a" * 64) -> Draft:
    body = EvidenceAddedBody(Blob(address, b"k" * 32, "a.jpg", "image/jpeg", size))
    return Draft(VILLAGE, SUBJECT, "dispute", EvidenceAdded(VILLAGE, 1, (), "photo", 1), body)


def erasure(seq: int, origin: str = "nroot2222:1") -> Draft:
    return Draft(VILLAGE, SUBJECT, "erasure", BodyErased(VILLAGE, 0, (), VILLAGE, origin, seq, "x"))


@pytest.mark.parametrize(
    "nonsense",
    [
        evidence(2**63), evidence(2**63 - 1), evidence(-1), evidence(FILE_BYTES_MAX + 1), evidence(1, "b" * 63), evidence(1, "b" * 64 + "\n"),
        erasure(2**64 - 1), erasure(2**63), erasure(2**53), erasure(0), erasure(1, "n" * 3_000), erasure(1, ""),
    ],
    ids=lambda one: one.kind,
)  # fmt: skip
async def test_what_no_column_takes_stops_no_lane(on_either: County, nonsense: Draft):
    root, village = await on_either.node("root"), await on_either.node("village")
    hostile = Writer(village)
    assert await root.admission.admit(hostile.batch(logged(SUBJECT), nonsense, evidence(1, "f" * 64)), village.signer.node) == 4
    rows = await root.journal.rows("blob")
    assert [row["address"] for row in rows] == ["f" * 64], "of no file that no node would take anything is expected"
    assert not await root.journal.rows("erasure")


async def test_an_entry_of_every_kind_with_absurd_values_is_admitted_and_read(on_either: County):
    """Whole or as what this version can't read; a rebuild comes to the same rows."""
    root, village = await on_either.node("root"), await on_either.node("village")
    hostile, subjects, refused = Writer(village), count(1), Counter[str]()
    for kind in sorted(events.EVENTS.keys() - set(COUNTY_ONLY)):
        for number, text in ABSURD:
            subject = f"{next(subjects):032x}"
            some = [draft(kind, subject, number, text)]
            some = [logged(subject), *some] if some[0].sort == "dispute" and kind != "DisputeLogged" else some
            before, batch = hostile.head, hostile.batch(*some)
            try:
                await root.admission.admit(batch, village.signer.node)
            except Exception as error:
                refused[f"{kind} {type(error).__name__} {error}"[:200]] += 1
                hostile.head = before
    assert not refused
    await root.admission.settled()
    assert await rebuild(root.journal)


def test_no_number_beyond_what_every_store_and_reader_keeps_is_read():
    """One bound for all kinds, where they are decoded: what comes after it need not look."""
    for kind, (_, body) in events.EVENTS.items():
        for number in (2**64 - 1, 2**63, COUNT_MAX, -COUNT_MAX):
            made = draft(kind, SUBJECT, number, "1")
            head = decode_head(lane_head(made))
            numbers = [read for read in (facts_of(head), body_of(kind, body and msgspec.msgpack.encode(made.body))) if read is not None]
            assert not any(abs(n) >= COUNT_MAX for read in numbers for n in _numbers(msgspec.to_builtins(read))), kind


def lane_head(made: Draft) -> bytes:
    facts = msgspec.Raw(msgspec.msgpack.encode(made.facts))
    who = (made.ledger, "nvill2222:1", 2, made.subject, made.sort, 1, 1, None, ("", "node"), "c" * 12, made.kind)
    return encode_head(Head(1, *who, facts, b""))


def _numbers(value: object) -> list[int]:
    if isinstance(value, int) and not isinstance(value, bool):
        return [value]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    return [n for part in parts for n in _numbers(part)]


async def test_a_case_that_was_given_the_last_turn_there_is_goes_on_everywhere(county: County):
    """The next turn is one more than the highest seen: beyond the bound every other node would refuse it, and all that follows in the lane."""
    root, village, town = await county.node("root"), await county.node("village"), await county.node("town")
    case = (await village.say(dispute())).subject
    await carry(village, town)
    last = Writer(town).batch(
        Draft(VILLAGE, case, "dispute", events.NoteAdded("330523/330523111", 1, ()), events.TextBody("x")), turns={case: COUNT_MAX - 2}
    )
    await village.admission.admit(last, town.signer.node)
    for text in ("第一条", "第二条"):
        await village.say(AddNote(id=new_id(), case=case, text=text))
    await root.admission.admit(last, town.signer.node)
    await exchange(village, root)
    lines = [list(line.text.values()) for line in (await root.reads.case(root.actor(), case)).lines]
    assert lines[-3:] == [["x"], ["第一条"], ["第二条"]]


async def test_an_id_that_others_refuse_is_not_written(county: County):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"kind": "AddNote", "id": "command-000001\n", "case": "0" * 32, "text": "x"}, AddNote)
    village = await county.node("village")
    with pytest.raises(ValueError, match="ids"):
        await village.say(dispute(id_="command-000001\n"))
    assert (await village.say(dispute())).subject


@pytest.mark.parametrize(
    "to", ["330523/x y", "330523/a\r\nPUB evil 0\r\n", "330523/>", "330523/a/b/c", "330523/" + "x" * 190, "330523/中文"]
)
async def test_nothing_is_carried_to_a_ledger_that_no_subject_can_name(county: County, to: str):
    """A node carries by itself what a case asks for: it must not write a lane there that everybody refuses, nor put the words into a subject."""
    root, village = await county.node("root"), await county.node("village")
    await root.desk.enrol_node(village.signer.certificate)
    hostile = Writer(village)
    sent = draft(
        "DisputeTransferred",
        "1" * 32,
        1,
        "x",
        to=to,
        due="2026-12-31",
        successor="c" * 32,
        shows=("title",),
        seen=((village.signer.origin, 2),),
    )
    asked = draft("TaskAssigned", "2" * 32, 1, "x", link=to, unit=to, case="", request="", asked_by="")
    await root.admission.admit(hostile.batch(logged("1" * 32), sent, asked), village.signer.node)
    await root.admission.settled()
    await root.desk.arrivals()
    assert {ledger for ledger, origin in await root.journal.heads() if origin == root.signer.origin} == {"_"}


async def test_what_cannot_be_carried_holds_up_nothing_else(county: County, monkeypatch: pytest.MonkeyPatch):
    root, town, stranger = await county.node("root"), await county.node("town"), await county.node("stranger")
    for node in (town, stranger):
        await root.desk.enrol_node(node.signer.certificate)
    await exchange(root, town)
    cases = [(await town.say(dispute(TOWN))).subject for _ in range(3)]
    for case in cases:
        await town.say(TransferDispute(id=new_id(), case=case, to=OTHER_TOWN, reason="归那边管"))
    make, bad, tried = root.desk.errands._open, cases[0], Counter[str]()

    async def opened(subject: str):
        tried[subject] += 1
        if subject == bad:
            raise ValueError("a commit of 600,000 bytes")
        return await make(subject)

    monkeypatch.setattr(root.desk.errands, "_open", opened)
    monkeypatch.setattr("protocol.node.errands.ERRANDS_MAX", 1)  # so many of a kind in one run
    opened.__name__ = "_open"
    await exchange(town, root)
    await root.admission.settled()
    for _ in range(3):
        await root.desk.arrivals()
    there = [row["predecessor"] for row in await root.journal.rows("case_row", "predecessor > ''")]
    assert sorted(there) == sorted(cases[1:])
    assert tried[bad] == 1, "it is not tried again at once"
    county.clock.pass_ms(3_600_000)
    await root.desk.arrivals()
    assert tried[bad] == 2


async def test_of_what_was_refused_few_bytes_are_kept(on_either: County, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("protocol.node.journal.writing.SAMPLES_MAX", 3)
    journal = (await on_either.node("root")).journal
    for n in range(9):
        async with journal.writing() as w:
            await w.quarantine("nvill2222", VILLAGE, f"nvill2222:{n}", Refused("frame_broken"), n, b"bytes")
            await w.quarantine("nvill2222", VILLAGE, f"nvill2222:{n}", Refused("lane_gap", have=1, got=3), n)
    rows = await journal.rows("quarantine", "sample is not null", {}, "last_ms")
    assert [row["last_ms"] for row in rows] == [6, 7, 8]
    assert len(await journal.rows("quarantine")) == 18, "and each is counted"
