"""A node of the county in wrong hands: it has its key, its certificate and its link, and uses them for what is not its own.

What it writes never enters a journal of its own, so every trace of it elsewhere is a hole. What it is given is judged on the spot.
"""

import asyncio
from typing import Any

import msgspec

from protocol import batch as batches
from protocol import certificate as certificates
from protocol import entry, lane, place
from protocol.events import Draft, NoteAdded, TextBody
from protocol.node.link import subjects
from protocol.node.link.answers import BlobAsk, LaneAsk, refused_as
from tests.simulation.hand import Hand, Nothing
from tests.simulation.record import Broken

ANSWER_S_MAX = 0.5
ASKS = 2
WAITS_S, LOOKS_S = 4.0, 0.5  # for a file that is not the node's own; once there is one its entry is soon written


def link_of(hand: Hand) -> Any:
    """Raises Nothing for a node without a wire, and at the top, which may do all this."""
    link = getattr(hand.node, "link", None)
    if link is None or not link.is_connected or certificates.writes(hand.node.desk.signer.certificate, place.COMMON):
        raise Nothing
    return link


def others(hand: Hand) -> list[certificates.Certificate]:
    return [known for node, known in sorted(hand.node.desk.shelf.certificates.items()) if node != hand.id]


async def pry(hand: Hand) -> str:
    """Pulls lanes of ledgers that the node may not read from their owner and from the top, and files that its own entries don't name. Raises
    Broken when it is given a lane; of which ledger a file is, the wire's watch knows (`checks.Watch`)."""
    link, mine = link_of(hand), hand.node.desk.signer.certificate
    tops = [known for known in others(hand) if certificates.writes(known, place.COMMON)]
    closed = [(other, ledger) for other in others(hand) for ledger in _own_ledgers(other) if not _within_reach(ledger, mine)]
    for _ in range(ASKS):
        other, ledger = hand.one(closed)
        for asked in (*tops, other):
            body = msgspec.msgpack.encode(LaneAsk(ledger, f"{other.node}:1", 0, 50))
            if await is_given(link, subjects.pull(asked.branch, asked.node), body):
                raise Broken(f"{hand.id} was given {ledger} by {asked.node}")
    return f"got no lane, {await _pry_files(hand, link, tops)}"


async def _pry_files(hand: Hand, link: Any, tops: list[certificates.Certificate]) -> str:
    """Whoever does not know an address has nothing to ask for; this one has got hold of all of them."""
    foreign, waited_s = list[str](), 0.0
    while not foreign and waited_s < WAITS_S:
        await asyncio.sleep(LOOKS_S)
        known, waited_s = {row["address"] for row in await hand.node.journal.rows("blob")}, waited_s + LOOKS_S
        foreign = [address for address in hand.record.files if address not in known]
    if not foreign:
        return "no file to ask for"
    address = hand.one(foreign)
    hand.record.pried.add((hand.id, address))
    for asked in (*tops, hand.one(others(hand))):
        if await is_given(link, subjects.blob(asked.branch, asked.node), msgspec.msgpack.encode(BlobAsk(address, 0))):
            return "a file on its way here"
    return "no file"


async def is_given(link: Any, subject: str, body: bytes) -> bool:
    try:
        answer = await link.request(subject, body, ANSWER_S_MAX)
    except TimeoutError:
        return False
    return answer is not None and bool(answer.data) and not refused_as(answer)


def _own_ledgers(other: certificates.Certificate) -> list[str]:
    covered = [path.removesuffix("/*") for path in other.covers if path != place.COMMON]
    return [certificates.sealed_ledger(other), *(path for path in covered if place.SEALED not in place.segments(path))]


def _within_reach(path: str, mine: certificates.Certificate) -> bool:
    """By whole segments, whatever production thinks of it."""
    for one in mine.covers:
        root = one.removesuffix("/*").split("/")
        parts = path.split("/")
        if parts == root or (one.endswith("/*") and parts[: len(root)] == root):
            return True
    return False


async def forge(hand: Hand) -> str:
    """Says, in good form and well signed, what is not the node's to say: in another's name, and in ledgers of its branch that are not its
    own (the servers let nothing else through)."""
    link, mine = link_of(hand), hand.node.desk.signer.certificate
    own = next(path.removesuffix("/*") for path in mine.covers if path != place.COMMON)
    await _say(hand, link, own, f"{hand.one(others(hand)).node}:7")
    near = own.split("/")[:2]
    paths = {path.removesuffix("/*") for known in others(hand) for path in known.covers if path != place.COMMON}
    foreign = sorted(path for path in paths if path.split("/")[:2] == near and not _within_reach(path, mine))
    if not foreign:
        return "said in another's name"
    await _say(hand, link, hand.one(foreign), f"{hand.id}:7")
    return "said in another's name and ledger"


async def _say(hand: Hand, link: Any, ledger: str, origin: str) -> None:
    signer = hand.node.desk.signer
    subject, office = hand.new_id(), signer.serves[0].removesuffix("/*")
    opening = lane.open_lane(ledger, origin, signer.certificate)
    drafts = [opening, Draft(ledger, subject, "dispute", NoteAdded(office, 1, ()), TextBody(hand.text()))]
    commit = lane.next_entries(
        None, drafts, origin=origin, key=signer.key, author=(hand.new_id(), "clerk.00000001"), command=hand.new_id(),
        occurred_ms=hand.now_ms, offset_ms=None, turns={}, salt=lambda: hand.chance.randbytes(entry.SALT_BYTES),
    )  # fmt: skip
    await link.publish(subjects.live(ledger, hand.id), batches.pack(commit.batch))
