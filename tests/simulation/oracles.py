"""Judges of their own: each says, by rules written here and not by production's functions, what must be true besides `checks`.

    oracles.listen(world)            while the world suffers: what is said on the wire, what pages and phones show
    broken = oracles.at_end(world)   when it has healed

Heard at once: a live batch speaks of the disk · a file is asked for only when no text is missing · a mark that a page shows, and what a phone
lets go of, stands at the other node. In the end: no clock and no order of arrival decided anything · an outcome that the next holder had
not seen is set aside, and one that he had seen is not · what a revoked node wrote after its last good entry counts nowhere by itself ·
who wrote an entry was entitled to, by certificate, ledger and office · the county signed each certificate (certified.py) · an erased body is
nowhere · a request has one linked task · an offer that stands has arrived at the office that it is for.
"""

from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

import msgspec

from protocol import batch as batches
from protocol import certificate as certificates
from protocol.case import key_text
from protocol.dispute import HOLD, OUTCOME
from protocol.entry import UNREADABLE, Admitted, decode_head, node_of
from protocol.events import BodyErased, LaneOpened, NodeEnrolled, NodeRevoked, PostEnded, facts_of
from protocol.hold import Item, Verdict, gathered, judge, waiting_of
from protocol.node.journal.stored import SELECT, Stored, stored
from protocol.node.link.answers import BlobAsk
from protocol.problem import Refused
from protocol.tables import Tables
from tests.simulation import certified
from tests.simulation.checks import BROKEN_MAX, _is_committed
from tests.simulation.record import Key, LetGo, Shown
from tests.simulation.site import Site

if TYPE_CHECKING:
    from tests.simulation.wire import WireLink
    from tests.simulation.world import World

SUBJECTS_MAX: Final = 24  # of one run: those that changed last
OWN_MAX: Final = 6  # of each node: those it wrote into last
LOSSES: Final = (
    "restore",
    "rollback",
    "forget",
    "lose",
    "clone",
    "revoke",
)  # steps after which somebody may rightly hold less than he said
Good = dict[str, dict[tuple[str, str], int]]  # revoked node → lane → last good seq
_asks = msgspec.msgpack.Decoder(BlobAsk)


def listen(world: "World") -> None:
    def said(link: "WireLink", subject: str, data: bytes) -> None:
        site = _site_of(world, link) if subject.startswith(("y1.live.", "y1.blob.")) else None
        if site is not None:
            _told(world, _live(site, data) if subject.startswith("y1.live.") else _file(world, site, data))

    world.wire.said.append(said)
    world.record.on_shown = lambda _, shown: _told(world, _mark(world, shown))
    world.record.on_let_go = lambda _, gone: _told(world, _let_go(world, gone))


def at_end(world: "World") -> list[str]:
    county = world.sites["county"]
    broken = [*_cases(county), *_kept_promises(world), *_linked_once(county), *_arrived(world, county)]
    for site in world.alive():
        broken += [*_entitled(site, county), *_erased(site), *_own_moves(site), *certified.at_end(site)]
    return broken[:BROKEN_MAX]


# ── while it goes on ──


def _told(world: "World", found: Iterable[str]) -> None:
    for what in found:
        if len(world.broken) < BROKEN_MAX:
            world.broken.append(what)


def _site_of(world: "World", link: "WireLink") -> Site | None:
    """None: whoever that is, it is no program of the county (acts_usurper.py)."""
    return next((site for site in world.everyone() if site.link is link), None)


def _live(site: Site, data: bytes) -> Iterator[str]:
    try:
        got = batches.unpack(data)
    except (Refused, *UNREADABLE):
        return
    hash_ = got.prev
    for head in got.heads:
        hash_ = sha256(hash_ + head).digest()
    if got.origin == site.origin and not _is_committed(site, got.ledger, got.origin, got.last, hash_):
        yield f"(a) {site.name} sends {got.ledger} {got.origin} {got.last}, which is not on its disk"


def _file(world: "World", site: Site, data: bytes) -> Iterator[str]:
    address = _asks.decode(data).address
    if (site.node_id, address) in world.record.pried:
        return  # not the program: whoever has it in wrong hands waits for nothing
    if site.node is not None and address not in site.files and not site.node.pump._catchup.is_done:
        yield f"(text first) {site.name} asks for a file while entries are missing"


def _has_lost(world: "World") -> int:
    return sum(world.counts[f"step {kind}"] for kind in LOSSES)


def _mark(world: "World", shown: Shown) -> Iterator[str]:
    """Some node of that level holds it: nobody has lost anything yet, so whoever said so once still does."""
    if _has_lost(world) or any(_holds(site, shown.key) for site in world.alive() if _level(site) == shown.level):
        return
    yield f"(receipt) a page of {shown.node} shows {shown.key} at {shown.level}, and it is not there"


def _level(site: Site) -> str:
    return Tables.packaged().level(site.seat.path)


def _let_go(world: "World", gone: LetGo) -> Iterator[str]:
    if _has_lost(world):
        return
    for key in gone.keys:
        others = [site for site in world.alive() if site.node_id != gone.node and site.seat.hears(key[0], site.node_id)]
        if others and not any(_holds(site, key) for site in others):
            yield f"(phone) a phone of {gone.node} let go of {key}, which nobody else has"


def _holds(site: Site, key: Key) -> bool:
    return bool(site.disk.rows("select 1 from entry where ledger = ? and origin = ? and seq = ?", key))


# ── when it has healed ──


def _kept_promises(world: "World") -> Iterator[str]:
    """What a phone let go of stood at two nodes, so one lost disk cannot have taken it."""
    if _has_lost(world) > 1:
        return
    lost = {entry[:3] for entry in world.lost}
    for gone in world.record.let_go:
        for key in gone.keys:
            others = [site for site in world.alive() if site.node_id != gone.node and site.hears(key[0])]
            if (
                key in lost and others and not any(_holds(site, key) for site in world.alive())
            ):  # else it was sent again under the same number
                yield f"(phone) {key} was lost after a phone of {gone.node} had let go of it"


def _linked_once(county: Site) -> Iterator[str]:
    sql = "select request, count(*) from task_row where request > '' group by request having count(*) > 1"
    for request, count in county.disk.rows(sql):
        yield f"(b) {count} linked tasks were made for {request}"


def _arrived(world: "World", county: Site) -> Iterator[str]:
    """An offer that stands is at the office that it is for, and says so: its clock begins there."""
    for subject, ledger, to in county.disk.rows(
        "select subject, ledger, offer_to from case_row where offer_to > '' and arrived_ms is null"
    ):
        able = [site for site in world.alive() if site.node is not None and not site.node.stopped() and site.hears(ledger)]
        able = [site for site in able if site.node is not None and _covered(site.node.certificate.serves, to)]
        rows, _, _, verdict = _judged(county, subject)
        if not able or verdict is None or verdict.offer is None:
            continue
        offer, told = key_text(verdict.offer.key), [facts_of(e.head) for e in rows if e.head.kind == "DisputeArrived"]
        if all(getattr(facts, "offer", "") != offer for facts in told):
            yield f"(arrived) {able[0].name} serves {to} and does not say that {subject} was offered to it"


def _erased(site: Site) -> Iterator[str]:
    revoked = _good_until(site)
    for e in _entries(site, "sort = 'erasure'"):
        facts = facts_of(e.head)
        if not isinstance(facts, BodyErased) or facts.ledger != e.ledger or not _covered((f"{facts.office}/*",), e.ledger):
            continue
        if node_of(e.origin) in revoked:
            continue
        for table in ("entry", "branch"):
            sql = f"select 1 from {table} where ledger = ? and origin = ? and seq = ? and body is not null"
            if site.disk.rows(sql, (facts.ledger, facts.origin, facts.seq)) and _same_subject(site, table, facts, e.subject):
                yield f"(erased) {site.name} still has the body of {facts.ledger} {facts.origin} {facts.seq} in {table}"


def _same_subject(site: Site, table: str, facts: BodyErased, subject: str) -> bool:
    sql = f"select 1 from {table} where ledger = ? and origin = ? and seq = ? and subject = ? and body is not null"
    return bool(site.disk.rows(sql, (facts.ledger, facts.origin, facts.seq, subject)))


def _entitled(site: Site, county: Site) -> Iterator[str]:
    """By the certificates of the lane and of *common*, with reach read by whole segments."""
    known: dict[str, list[certificates.Certificate]] = {}
    for e in _entries(county, "ledger = '_' and sort = 'common'"):
        if isinstance(facts := facts_of(e.head), NodeEnrolled):
            one = certificates.decode(facts.certificate)
            known.setdefault(one.node, []).append(one)
    opened: dict[tuple[str, str], certificates.Certificate] = {}
    for e in _entries(site, "1 = 1"):
        facts, lane, node = facts_of(e.head), (e.ledger, e.origin), node_of(e.origin)
        if isinstance(facts, LaneOpened):
            opened[lane] = certificates.decode(facts.certificate)
        if lane not in opened or opened[lane].node != node:
            yield f"(e) {site.name}: {e.ledger} {e.origin} was opened by another node"
            return
        ours = [opened[lane], *known.get(node, [])]
        if not any(_may_write(one, e.ledger) for one in ours):
            yield f"(e) {site.name}: {e.origin} may not write {e.ledger}"
            return
        office = getattr(facts, "office", "")
        if office and not any(_covered(one.serves, office) for one in ours):
            yield f"(e) {site.name}: {e.ledger} {e.origin} {e.seq} was written for {office}, which its node does not serve"
            return


def _may_write(one: certificates.Certificate, ledger: str) -> bool:
    parts = ledger.split("/")
    if len(parts) == 3 and parts[1] == "sealed":
        return parts[2] == one.node
    return ledger in one.covers if ledger == "_" else _covered(one.covers, ledger)


def _covered(reach: Iterable[str], path: str) -> bool:
    parts = path.split("/")
    roots = [(one.removesuffix("/*").split("/"), one.endswith("/*")) for one in reach]
    return any(parts == root or (deep and parts[: len(root)] == root) for root, deep in roots)


def _entries(site: Site, where: str) -> list[Stored]:
    return [stored(row) for row in site.disk.rows(f"{SELECT} where {where} order by ledger, origin, seq")]


# ── cases ──


def _cases(site: Site) -> Iterator[str]:
    sql = "select subject from case_row order by updated_ms desc, subject limit ?"
    good, ends = _good_until(site), _ends(site)
    for (subject,) in site.disk.rows(sql, (SUBJECTS_MAX,)):
        _, admitted, last_good, verdict = _judged(site, subject)
        if verdict is None:
            continue
        yield from _timeless(subject, admitted, last_good, verdict)
        yield from _late(subject, verdict)
        yield from _out_of_office(subject, verdict, good, ends, site)


def _own_moves(site: Site) -> Iterator[str]:
    sql = "select subject from entry where origin = ? and sort = 'dispute' group by subject order by max(position) desc limit ?"
    for (subject,) in site.disk.rows(sql, (site.origin, OWN_MAX)):
        rows, _, _, verdict = _judged(site, subject)
        if verdict is not None and len(verdict.opened) > 1:
            yield from _seen(subject, rows, verdict, site.origin)


def _judged(site: Site, subject: str) -> tuple[list[Stored], list[Admitted], Any, Verdict | None]:
    rows = [stored(row) for row in site.disk.rows(f"{SELECT} where subject = ? and sort = 'dispute' order by position", (subject,))]
    admitted = [Admitted(decode_head(e.head_bytes), e.body, e.received_ms, e.erased) for e in rows]
    last_good = site.node.shelf.good_until(admitted) if site.node is not None else {}
    return rows, admitted, last_good, judge(gathered(admitted), last_good)


def _timeless(subject: str, admitted: list[Admitted], last_good: Any, verdict: Verdict) -> Iterator[str]:
    """(h) Every clock wrong by another amount, everything received in another order: the same verdict."""
    altered = [
        Admitted(
            msgspec.structs.replace(a.head, occurred_ms=_other_time(a.head.origin, a.head.occurred_ms)), a.body, -a.received_ms, a.erased
        )
        for a in reversed(admitted)
    ]
    again = judge(gathered(altered), last_good)
    if again is None or _said(again) != _said(verdict):
        yield f"(h) {subject} is judged otherwise when clocks and arrivals are others"


def _other_time(origin: str, ms: int) -> int:
    return ms - int.from_bytes(sha256(origin.encode()).digest()[:5], "big") % (4 * 365 * 86_400_000)


def _said(verdict: Verdict) -> Any:
    effects = [item.key for item, _ in verdict.effects]
    return verdict.status, [m.key for m in verdict.opened], effects, sorted(verdict.aside.items()), sorted(verdict.decided.items())


def _late(subject: str, verdict: Verdict) -> Iterator[str]:
    """An outcome of a term that was closed by a move which had not seen it is set aside, whatever it says."""
    for item in verdict.items:
        term = item.facts.term if item.effect == OUTCOME else 0
        if not 0 < term < len(verdict.opened) or item.key in verdict.waiting:
            continue
        if not _knew(verdict.opened[term], item) and item.key not in verdict.aside:
            yield f"(late) {subject} {item.kind} {key_text(item.key)} counts, though whoever opened term {term + 1} had not seen it"


def _knew(move: Item, item: Item) -> bool:
    origin, seq = item.key
    return (origin == move.key[0] and seq < move.key[1]) or seq <= dict(move.facts.seen).get(origin, 0)


def _seen(subject: str, rows: list[Stored], verdict: Verdict, origin: str) -> Iterator[str]:
    """What stood in this journal when its own people moved the hold was seen by them: it is not late."""
    positions = {(e.origin, e.seq): e.position for e in rows}
    for move in verdict.opened[1:]:
        if move.key[0] != origin:
            continue
        before = [item for item in verdict.items if positions[item.key] < positions[move.key]]
        waited = waiting_of(before)
        for item in before:
            late = verdict.aside.get(item.key) == "late" and item.effect == OUTCOME and item.facts.term == move.facts.term - 1
            if late and item.key not in waited:
                yield f"(seen) {subject} {item.kind} {key_text(item.key)} is late, though it stood here before {key_text(move.key)}"


def _good_until(site: Site) -> Good:
    found: Good = {}
    for e in sorted(_entries(site, "ledger = '_' and sort = 'common'"), key=lambda e: (e.head.turn, e.head.origin, e.seq), reverse=True):
        if isinstance(facts := facts_of(e.head), NodeRevoked):
            found[facts.node] = {(ledger, origin): seq for ledger, origin, seq in facts.last}
    return found


def _ends(site: Site) -> dict[str, list[PostEnded]]:
    found: dict[str, list[PostEnded]] = {}
    good = _good_until(site)
    for e in _entries(site, "sort in ('person', 'common')"):
        revoked = good.get(node_of(e.origin))
        if revoked is not None and e.seq > revoked.get((e.ledger, e.origin), 0):
            continue  # said by a node that had been put out
        if isinstance(facts := facts_of(e.head), PostEnded) and facts.reach:
            found.setdefault(facts.post, []).append(facts)
    return found


def _out_of_office(subject: str, verdict: Verdict, good: Good, ends: dict[str, list[PostEnded]], site: Site) -> Iterator[str]:
    """Beyond the last good entry of a revoked node, and beyond what was known of a post when it ended, nothing counts before the holder
    has adopted it."""
    items = {row[0] for row in site.disk.rows("select item from review_row where subject = ?", (subject,))}
    decided = {getattr(item.facts, "item", "") for item in verdict.items if item.kind == "ReviewDecided"}
    for item in verdict.items:
        lane = (item.head.ledger, item.key[0])
        if item.effect not in (OUTCOME, HOLD) or item.key in verdict.waiting or key_text(item.key) in items | decided:
            continue
        revoked = good.get(node_of(item.key[0]))
        if revoked is not None and item.key[1] > revoked.get(lane, 0):
            yield f"(revoked) {subject} {item.kind} {key_text(item.key)} counts, though its node was put out before"
        for end in ends.get(item.head.author[1], ()):
            known = {(ledger, origin): seq for ledger, origin, seq in end.last}
            if _covered(end.reach, item.head.ledger) and item.key[1] > known.get(lane, 0):
                yield f"(post over) {subject} {item.kind} {key_text(item.key)} counts, though its writer's post had ended"
