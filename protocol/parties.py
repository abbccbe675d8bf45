"""The parties of a case after its registration: one is added, corrected or withdrawn at a time, and the old reading stays readable.

Only what the matter needs is asked for (PIPL 6), whoever is concerned may have it corrected (PIPL 46), and each of these entries
can be erased by itself (PIPL 47). A party has an id inside the case: p1, p2 … as registered, else made from the command that added
it; so it means the same at every node and in every order.
"""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from protocol import commands as c
from protocol import events as e
from protocol import id_card
from protocol.case import Case, Correction, Key
from protocol.commands import Party
from protocol.context import Context
from protocol.drafts import CHARS_MAX, needed, one_of, seen_of, title_of
from protocol.entry import derive
from protocol.events import Actor, Draft
from protocol.events_of_parties import (
    PARTY_FIELDS,
    PartyAdded,
    PartyAddedBody,
    PartyCorrected,
    PartyCorrectedBody,
    PartyWithdrawn,
    PartyWithdrawnBody,
)
from protocol.facts import Seen
from protocol.problem import Refused
from protocol.words import PARTY_LABELS

PARTIES_MAX: Final = 40
FIELD: Final = "party"  # of a Correction: one party, not the whole list
NAMELESS: Final = "（已删除或还没到本机）"
LISTS: Final = {"side": "side", "kind": "party", "sex": "sex", "id_type": "id_type"}  # field → list of the tables


def registered(count: int) -> list[str]:
    """Ids of the parties of a registration, in its order."""
    return [f"p{n}" for n in range(1, count + 1)]


def changed(old: Party, new: Party) -> tuple[str, ...]:
    """Names of the fields that read differently."""
    return tuple(name for name in PARTY_FIELDS if getattr(old, name) != getattr(new, name))


# ── what is written ──


def party_drafts(case: Case, command: c.AddParty | c.CorrectParty | c.WithdrawParty, actor: Actor, context: Context) -> list[Draft]:
    about = (actor.office, case.term, seen_of(case))
    if isinstance(command, c.AddParty):
        party = _checked(command.party, context)
        if len(case.parties) >= PARTIES_MAX:
            raise Refused("field_impossible", field="party_name", what="当事人", why=f"最多 {PARTIES_MAX} 位")
        _not_twice(party, case.parties)
        facts = PartyAdded(*about, derive(command.id, FIELD)[:12], party.side)
        return [Draft(case.ledger, case.id, "dispute", facts, PartyAddedBody(party, command.reason.strip()))]
    old = _party(case, command.party_id)
    reason = needed(command.reason, "reason", "原因")
    if isinstance(command, c.WithdrawParty):
        if len(case.parties) == 1:
            raise Refused("field_impossible", field="party_id", what="当事人", why="只剩这一位，不能撤下；写错了请更正")
        facts = PartyWithdrawn(*about, command.party_id)
        drafts = [Draft(case.ledger, case.id, "dispute", facts, PartyWithdrawnBody(old.name, reason))]
        left = _without(case, command.party_id)
        if _names(case.title, old.name, left):  # whoever is no party is masked nowhere, so no list may go on naming them
            drafts.append(_titled(case, about, reason, title_of(left, context.tables.type_name(case.type))))
        return drafts
    new = _checked(command.party, context, old.id_number)
    what = changed(old, new)
    if not what:
        raise Refused("field_impossible", field="party_name", what="当事人", why="和原来一样")
    _not_twice(new, _without(case, command.party_id))
    facts = PartyCorrected(*about, command.party_id, what)
    drafts = [Draft(case.ledger, case.id, "dispute", facts, PartyCorrectedBody(new, reason))]
    if "name" in what and old.name in case.title:  # a title was made of the names: a wrong one must not stay on every list
        drafts.append(_titled(case, about, reason, case.title.replace(old.name, new.name)[: CHARS_MAX["title"]]))
    return drafts


def _without(case: Case, id_: str) -> list[Party]:
    return [party for party, other in zip(case.parties, case.party_ids, strict=True) if other != id_]


def _names(title: str, name: str, left: Iterable[Party]) -> bool:
    """Claims that the title has the name, and not as a part of one that stays (张三 in 张三丰)."""
    for stays in sorted({party.name for party in left}, key=len, reverse=True):
        title = title.replace(stays, "\n")
    return name in title


def _titled(case: Case, about: tuple[str, int, Seen], reason: str, title: str) -> Draft:
    facts = e.DisputeCorrected(*about, "title", None)
    return Draft(case.ledger, case.id, "dispute", facts, e.DisputeCorrectedBody(reason, title))


def _party(case: Case, id_: str) -> Party:
    if id_ not in case.party_ids:
        raise Refused("field_impossible", field="party_id", what="当事人", why="这一位已经不在这件里，请看最新的情况")
    return case.parties[case.party_ids.index(id_)]


def _checked(party: Party, context: Context, known: str = "") -> Party:
    """known: the number of his card as it stands."""
    for name, list_ in LISTS.items():
        if value := getattr(party, name):
            one_of(value, context.tables.lists.get(list_, {}), f"party_{name}", PARTY_LABELS[name])
    return msgspec.structs.replace(
        id_card.checked(party, known), name=needed(party.name, "party_name", "当事人姓名（不愿透露就写“不愿透露”）")
    )


def _not_twice(party: Party, others: Iterable[Party]) -> None:
    """Two of one name are two people only when something else tells them apart."""
    for other in others:
        known = [(a, b) for a, b in ((party.id_number, other.id_number), (party.phone, other.phone)) if a and b]
        if other.name == party.name and other.side == party.side and all(a == b for a, b in known):
            raise Refused("field_impossible", field="party_name", what="当事人", why="已经登记过这一位；同名的两个人请写电话或证件号")


# ── what it comes to ──


def added(case: Case, facts: PartyAdded, body: Any) -> None:
    """Without its body nothing of the party is known but that there is one."""
    if facts.party in case.party_ids or len(case.parties) >= 2 * PARTIES_MAX:
        return
    party = Party(NAMELESS, side=facts.side) if body is None else body.party
    case.parties, case.party_ids = [*case.parties, party], [*case.party_ids, facts.party]


def corrected(case: Case, facts: PartyCorrected, body: Any, key: Key, at_ms: int) -> None:
    """Of a party that was withdrawn meanwhile only the line stays. Once the new text was erased, the old one must not come back."""
    if facts.party not in case.party_ids:
        return
    at = case.party_ids.index(facts.party)
    old = case.parties[at]
    new = Party(NAMELESS, side=old.side) if body is None else body.party
    case.parties = [*case.parties[:at], new, *case.parties[at + 1 :]]
    shown = (None, None, "") if body is None else (old, body.party, body.reason)
    case.corrections.append(Correction(key, FIELD, *shown, at_ms, tuple(name for name in facts.what if name in PARTY_LABELS)))


def withdrawn(case: Case, facts: PartyWithdrawn, body: Any, key: Key, at_ms: int) -> None:
    if facts.party not in case.party_ids:
        return
    at = case.party_ids.index(facts.party)
    old = case.parties[at] if body is not None else None
    case.parties = [*case.parties[:at], *case.parties[at + 1 :]]
    case.party_ids = [*case.party_ids[:at], *case.party_ids[at + 1 :]]
    case.corrections.append(Correction(key, FIELD, old, None, "" if body is None else body.reason, at_ms))


def replaced(case: Case, parties: list[Party], command: str) -> list[str]:
    """Ids of a whole new list: whoever stood in the old one under the same name and side keeps theirs."""
    old = {(p.name, p.side): id_ for p, id_ in zip(case.parties, case.party_ids, strict=True)}
    ids: list[str] = []
    for n, party in enumerate(parties):
        kept = old.get((party.name, party.side), "")
        ids.append(kept if kept and kept not in ids else derive(command, f"{FIELD} {n}")[:12])
    return ids
