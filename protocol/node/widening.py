"""A wider certificate reaches a running node: by *common*, like everything else, without a new enrolment.

The county announces it (NodeEnrolled), after the table `tokens` that lets the same keys hear more. `taken` puts both into the node's
folder; whoever runs the node opens it again. A node that is switched off does so when it has caught up.
"""

import re

import msgspec
import nkeys

from protocol import certificate as certificates
from protocol import entry
from protocol.events import TableSet, facts_of
from protocol.node.identity import Identity
from protocol.node.journal import Journal
from protocol.node.link.creds import CREDS, public, write_creds
from protocol.node.shelf import Shelf

TOKENS_TABLE = "tokens"  # of *common*: public key → token
_SEED = re.compile(r"-----BEGIN USER NKEY SEED-----\s+(\S+)")


async def taken(identity: Identity, shelf: Shelf, journal: Journal) -> bool:
    """True: the folder now holds a newer certificate of the same key. Raises OSError."""
    about = identity.about()
    own, newest = certificates.decode(about.certificate), shelf.certificates.get(about.node)
    if newest is None or newest == own or newest.key != own.key or newest.valid_from_ms < own.valid_from_ms:
        return False
    if not certificates.is_valid(newest, about.root_public):
        return False
    creds = identity.folder / CREDS
    matched = _SEED.search(creds.read_text()) if creds.exists() else None
    if matched:
        key = nkeys.from_seed(bytearray(matched[1].encode()))
        token = (await _tokens(journal)).get(public(key))
        if token:
            write_creds(creds, token, key)
    about.certificate = certificates.encode(newest)
    identity.save(about)
    return True


async def _tokens(journal: Journal) -> dict[str, str]:
    said = await journal.subject(entry.derive("table", TOKENS_TABLE))
    facts = facts_of(said[-1].head) if said else None
    return msgspec.json.decode(facts.content, type=dict[str, str]) if isinstance(facts, TableSet) else {}
