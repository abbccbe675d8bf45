"""What people wrote and photographed, when the world has healed: it is wherever its entry is.

waiting(world)    files that are due somewhere and not there yet, though a node that is up holds them
missing(world)    words that one node lacks and another has, though no erasure that counts there names them
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from protocol.entry import decode_head, node_of
from protocol.events import BodyErased, facts_of
from protocol.node.bodies import WANTED
from protocol.node.journal.stored import SELECT, stored
from tests.simulation.oracles import _covered, _good_until
from tests.simulation.site import Site

if TYPE_CHECKING:
    from tests.simulation.world import World

Target = tuple[str, str, int, str]  # ledger, origin, seq, subject


def waiting(world: "World") -> Iterator[str]:
    for site in world.alive():
        if site.node is None or site.node.stopped():
            continue
        for address, ledger in site.disk.rows("select address, ledger from blob where stage = ?", (WANTED,)):
            holders = [one.name for one in world.alive() if one is not site and one.hears(ledger) and address in one.files and _is_up(one)]
            if holders:
                yield f"(files) {site.name} still lacks {address[:8]} of {ledger}, which {holders} hold"


def _is_up(site: Site) -> bool:
    return site.node is not None and not site.node.stopped()


def missing(world: "World") -> Iterator[str]:
    bare: list[tuple[Site, bytes, Target]] = []
    for site in world.alive():
        said = _erased_at(site)
        rows = site.disk.rows("select hash, ledger, origin, seq, subject, head_bytes from entry where body is null")
        for hash_, ledger, origin, seq, subject, head in rows:
            if decode_head(bytes(head)).body_hash and (ledger, origin, seq, subject) not in said:
                bare.append((site, bytes(hash_), (ledger, origin, seq, subject)))
    for site, hash_, target in bare:
        sql = "select 1 from entry where ledger = ? and origin = ? and seq = ? and hash = ? and body is not null"
        if having := [one.name for one in world.alive() if one.disk.rows(sql, (*target[:3], hash_))]:
            yield f"(a) {site.name} has no words of {target[:3]}, which {having} have, and nothing was erased"


def _erased_at(site: Site) -> set[Target]:
    """By erasures that count: of a node in good standing, for an office whose region holds the ledger."""
    good, found = _good_until(site), set()
    for row in site.disk.rows(f"{SELECT} where sort = 'erasure'"):
        e = stored(row)
        facts, revoked = facts_of(e.head), good.get(node_of(e.origin))
        counts = revoked is None or e.seq <= revoked.get((e.ledger, e.origin), 0)
        if isinstance(facts, BodyErased) and counts and facts.ledger == e.ledger and _covered((f"{facts.office}/*",), e.ledger):
            found.add((facts.ledger, facts.origin, facts.seq, e.subject))
    return found
