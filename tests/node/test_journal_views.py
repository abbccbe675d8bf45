"""The journal with the real views: a dispute as the pages will find it, erased and rebuilt, on both stores."""

from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from protocol import events, views
from protocol.commands import Party
from protocol.entry import FORMAT, SALT_BYTES, START, Entry, Head, body_hash, encode_head
from protocol.node.journal import Journal, Stored, rebuild
from protocol.tables import Tables
from tests.node.journal_kit import KEY, ORIGIN, PLACE, subject

AT_MS = 1_780_000_000_000
TOWNSHIP = PLACE.rpartition("/")[0]


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return request.getfixturevalue("postgres_url") if request.param == "postgres" else f"sqlite:///{tmp_path}/journal.db"


class Desk:
    """Writes the entries of one case, as a desk would."""

    def __init__(self) -> None:
        self.seq, self.hash = 0, START

    def say(self, facts: events.Facts, body: events.Body | None = None) -> Stored:
        self.seq += 1
        raw = None if body is None else msgspec.msgpack.encode(body)
        salt = None if body is None else bytes(SALT_BYTES)
        head = Head(
            FORMAT, PLACE, ORIGIN, self.seq, subject(1), "dispute", self.seq, AT_MS + self.seq, None, (subject(9), "clerk.00000001"), f"command-{self.seq}",
            type(facts).__name__, msgspec.Raw(msgspec.msgpack.encode(facts)), body_hash(salt, raw),
        )  # fmt: skip
        made = Stored.of(Entry(encode_head(head), salt, raw), self.hash, b"s" * 64, AT_MS + 5)
        self.hash = made.hash
        return made


async def test_a_dispute_is_found_by_name_then_erased_and_the_views_equal_a_rebuild(url: str) -> None:
    tables = Tables.packaged()
    journal = await Journal.open(url, KEY if url.startswith("sqlite") else None, lambda: tables)
    desk = Desk()
    parties = [Party(name="费满仓"), Party(name="𬭎喜", side="respondent")]
    logged = events.DisputeLogged(PLACE, 1, (), "2026-017-00042K", "0204", "visit", 2, "green", 4_126_000, None, "")
    body = events.DisputeLoggedBody("", "两家因屋后滴水沟的位置争执，请求调解", parties)
    said = [desk.say(logged, body), desk.say(events.DisputeAccepted(PLACE, 1, (), True))]
    said.append(desk.say(events.DisputeEscalated(PLACE, 1, ((ORIGIN, 2),), TOWNSHIP), events.DisputeEscalatedBody("谈了两次没谈拢")))
    async with journal.writing() as w:
        new = await w.append(said)
        await w.project({e.subject for e in new})
    (row,) = await journal.rows("case_row")
    assert (row["holder"], row["offer_to"], row["status"], row["code"]) == (PLACE, TOWNSHIP, "accepted", "2026-017-00042K")
    for asked in "费满", "𬭎", "滴水沟", "00042k":
        assert await journal.search(asked) == [subject(1)], asked
    assert await rebuild(journal)
    async with journal.writing() as w:
        assert await w.erase(PLACE, ORIGIN, 1, subject(1))
        await w.project([subject(1)])
    (erased,) = await journal.rows("case_row")
    assert (erased["holder"], erased["offer_to"], erased["status"], erased["due_ms"]) == (PLACE, TOWNSHIP, "accepted", row["due_ms"])
    assert await journal.search("费满") == []
    assert await rebuild(journal)
    for name in views.TABLES:
        for found in await journal.rows(name):
            assert "费满" not in str(found)
    await journal.close()


async def test_rows_that_change_come_and_go_one_entry_after_the_other_are_those_of_a_rebuild(url: str) -> None:
    """What stands is held against what it comes to: some columns change, a clock begins anew, numbers come, and go with their words."""
    tables = Tables.packaged()
    journal = await Journal.open(url, KEY if url.startswith("sqlite") else None, lambda: tables)
    desk = Desk()
    parties = [Party(name="费满仓", phone="13800000001", id_number="330523199001011234"), Party(name="𬭎喜", side="respondent")]
    logged = events.DisputeLogged(PLACE, 1, (), "2026-017-00042K", "0204", "visit", 2, "green", 4_126_000, None, "")
    steps = [
        desk.say(logged, events.DisputeLoggedBody("", "两家因屋后滴水沟的位置争执", parties)),
        desk.say(events.NoteAdded(PLACE, 1, ()), events.TextBody("约了后天")),
        desk.say(
            events.PartyAdded(PLACE, 1, (), "p3", "respondent"), events.PartyAddedBody(Party(name="叶根土", phone="13800000002"), "另一家")
        ),
        desk.say(events.DisputeAccepted(PLACE, 1, (), True)),
        desk.say(events.DisputeEscalated(PLACE, 1, ((ORIGIN, 4),), TOWNSHIP), events.DisputeEscalatedBody("没谈拢")),
    ]
    seen = []
    for step in steps:
        async with journal.writing() as w:
            await w.append([step])
            await w.project([subject(1)])
        seen.append(await _rows(journal))
        assert await rebuild(journal)
        assert await _rows(journal) == seen[-1]
    assert [len(rows["number_row"]) for rows in seen] == [2, 2, 3, 3, 3]
    clocks = [{(row["clock"], row["starts_ms"]) for row in rows["clock_row"]} for rows in seen]
    assert any(before - after and after - before for before, after in pairwise(clocks)), "none began anew"
    async with journal.writing() as w:
        assert await w.erase(PLACE, ORIGIN, 1, subject(1))
        await w.project([subject(1)])
    assert len((erased := await _rows(journal))["number_row"]) == 1
    assert await rebuild(journal)
    assert await _rows(journal) == erased
    await journal.close()


async def _rows(journal: Journal) -> dict[str, list[dict]]:
    return {name: sorted(await journal.rows(name), key=str) for name in views.TABLES}
