"""Who holds, which entries count, what is set aside and what still waits: the judgement of a set of entries of one case.

The entries of a case are a set; nothing here asks in which order they came. Four questions, in this order:

1. *Waits* — what an entry was decided on (`seen`) is not all here, or an earlier entry of its own lane waits. It is left out:
   nothing is judged by what is missing. So what counts is closed under causes, and `seen` of a case is its frontier.
2. *Terms* — term 1 is opened by the registration, n + 1 by taking up an offer of term n's holder or by calling up from above.
   A move counts only if it was decided on a move that gave term n to its holder. Of two: higher tier, lower turn, origin, seq.
3. *Late* — the move that opens n + 1 closes n. An outcome of term n outside its `seen` is set aside, whatever its turn.
4. *Fit* — the rest of a term, by (turn, tier, origin, seq), walks the one transition table of `dispute`; what the table has
   no row for is set aside.

*Out of office* comes before the walk. What a revoked node wrote after its last good entry is set aside. So is what a person wrote for
a post that had ended: PostEnded names, lane by lane, how far the work of that post's nodes was known where it was ended, and an entry
of that post counts when it lies within that. Neither clock is asked: a clock of a PC that was switched off for weeks proves nothing,
and what its writer had seen proves nothing either, since he had not heard of the end. So honest work of the last days that had not
been sent is set aside along with what was written too late; nobody can tell them apart but the office, and it adopts the one and
rejects the other. Of two ends of one post the earlier in each lane counts. Ledgers that the ending node does not cover are not judged.
The end travels in the office's ledger and, without a name, in *common*, so that every node comes to the same verdict.

Set aside is not undone: a legal fact (a signed agreement, an acceptance) of an office that did hold in its own branch stands
as a fact, only its status does not count until the present holder adopts it. A review decided by the holder adopts or rejects.
"""

from collections.abc import Iterable, Mapping
from copy import copy
from functools import cache, lru_cache
from typing import Any, Final

import msgspec

from protocol import place
from protocol.case import OPEN, Key, key_of
from protocol.dispute import (
    ABOVE,
    ANSWER,
    APPEND,
    BACK,
    BY_EVENT,
    CARRIER,
    COVERS,
    FOLLOW,
    HOLD,
    HOLDER,
    KEEPER,
    NODE,
    NONE,
    OFFER,
    OFFERED,
    OUTCOME,
    RETURN,
    REVIEW,
    TRANSFER,
    Row,
)
from protocol.drafts import LINK_FIELDS
from protocol.entry import Admitted, Head, derive, encode_head
from protocol.events import facts_of
from protocol.office import is_above, lowest

LATE, LOST, UNFIT, FOREIGN, REVOKED, POST_OVER = "late", "lost", "unfit", "foreign", "revoked", "post_over"
LEGAL: Final = ("AgreementSigned", "DisputeAccepted")  # facts of the law: they stand even when set aside
FORCED: Final = {"AgreementSigned": "agreed", "MediationEnded": "ended", "DisputeClosed": "closed"}  # adopted from any open status
_OUTSIDE: Final = Row("", "", "", (), "", {})  # an event of a later version, or of another sort

_IN_TERMS: Final = (OUTCOME, OFFER, RETURN, REVIEW, HOLD, TRANSFER, ANSWER)

# (ledger, origin) of a revoked node, (ledger, origin, post) of a post that ended → last seq that counts
LastGood = Mapping[tuple[str, ...], int]


class Item(msgspec.Struct, gc=False):
    """An entry with what is read from it once. effect: of its row; "" for an event that the table does not know."""

    admitted: Admitted
    head: Head
    facts: Any  # the struct of its kind, or Unknown
    row: Row
    effect: str
    key: Key
    order: tuple[int, int, str, int]
    kind: str


def read(admitted: Admitted) -> Item:
    head = admitted.head
    facts: Any = facts_of(head)
    kind, known, has_by = _shape(type(facts))
    row = known if kind == head.kind else _OUTSIDE
    if has_by and facts.by and not facts.office:  # a node opened a successor for the office that handed the case over
        facts = msgspec.structs.replace(facts, office=facts.by)
    links = head.kind == "DisputeCorrected" and getattr(facts, "field", "") in LINK_FIELDS
    effect, origin, seq = APPEND if links else row.effect, head.origin, head.seq
    return Item(admitted, head, facts, row, effect, (origin, seq), (head.turn, _tier(facts.office), origin, seq), head.kind)


@cache
def _shape(facts: type) -> tuple[str, Row, bool]:
    """Its name, its row, whether it says for whom a node wrote it."""
    return facts.__name__, BY_EVENT.get(facts.__name__, _OUTSIDE), "by" in getattr(facts, "__struct_fields__", ())


_tier = lru_cache(4096)(place.tier)  # a county has a few hundred offices; a hostile one may name more


def gathered(admitted: Iterable[Admitted]) -> list[Item]:
    """Each entry once, in order (turn, tier of its office, origin, seq). Two of one name: the same at every node, whatever came first.

    A turn that is lower than what the entry was decided on, or than one before it in its lane, was forged: it is raised.
    """
    found: dict[tuple[str, str, int], Item] = {}
    for one in admitted:
        item = read(one)
        key = (item.head.ledger, *item.key)
        other = found.get(key)
        if other is None or _tie(item) < _tie(other):
            found[key] = item
    _raise_turns(found)
    return sorted(found.values(), key=lambda item: item.order)


def _raise_turns(found: dict[tuple[str, str, int], Item]) -> None:
    highest: dict[tuple[str, str], int] = {}
    for (ledger, origin, _), item in sorted(found.items()):
        turn, lane = item.head.turn, (ledger, origin)
        before = highest.get(lane, 0)
        if before > turn:
            turn = before
        for other, seq in item.facts.seen:
            cause = found.get((ledger, other, seq))
            if cause is not None and cause.head.turn >= turn:
                turn = cause.head.turn + 1
        highest[lane] = turn
        if turn > item.head.turn:
            item.order = (turn, *item.order[1:])


def _tie(item: Item) -> tuple[bytes, bool, bytes, int]:
    one = item.admitted
    return encode_head(item.head), not one.erased, one.body or b"", one.received_ms


def waiting_of(items: list[Item]) -> set[Key]:
    """The least set with: names an entry that is not here or waits; its term was never opened here; or comes after one that waits."""
    absent = set[Key]().union(*[item.facts.seen for item in items]) - {item.key for item in items}
    first: dict[str, int] = {}  # origin → lowest seq that waits
    for item in items if absent else ():
        if not absent.isdisjoint(item.facts.seen):
            _hold_back(first, item)
    while True:
        before = dict(first)
        deepest = _deepest([item for item in items if item.effect == HOLD and not _waits(first, item)])
        for item in items:
            unopened = item.effect in _IN_TERMS and item.facts.term > deepest
            if unopened or (first and any(seq >= first[origin] for origin, seq in item.facts.seen if origin in first)):
                _hold_back(first, item)
        if first == before:
            return {item.key for item in items if _waits(first, item)} if first else set()


def _hold_back(first: dict[str, int], item: Item) -> None:
    origin, seq = item.key
    first[origin] = min(seq, first.get(origin, seq))


def _waits(first: dict[str, int], item: Item) -> bool:
    return item.key[0] in first and item.key[1] >= first[item.key[0]]


def _deepest(moves: list[Item]) -> int:
    """The highest term with an opening move for it and for each before."""
    terms = {item.facts.term for item in moves}
    deepest = 1
    while deepest + 1 in terms:
        deepest += 1
    return deepest


class Verdict(msgspec.Struct, gc=False):
    """items: all of the case, in order · opened: the moves that opened terms 1, 2, … · effects: what counts, in the order in which it
    took effect, each with the review decision that adopted it (None: it counts by itself) · standing: legal facts set aside.
    aside: key → code · decided: key of what was set aside → decision · waiting: keys.
    """

    items: list[Item]
    opened: list[Item]
    status: str
    offer: Item | None
    follow: str
    effects: list[tuple[Item, Item | None]]
    standing: list[Item]
    aside: dict[Key, str]
    decided: dict[Key, str]
    waiting: set[Key]


def judge(items: list[Item], last_good: LastGood | None = None) -> Verdict | None:
    """The verdict on the entries of one subject, as `gathered` gives them; None while its registration is not here."""
    logged = [item for item in items if item.kind == "DisputeLogged" and item.effect]
    if not logged:
        return None
    first = logged[0] if len(logged) == 1 else min(logged, key=_first_rank)
    items = [item for item in items if item.head.ledger == first.head.ledger]
    waiting = waiting_of(items)
    if first.key in waiting:
        return None
    live = [item for item in items if item.key not in waiting and item is not first]
    walk = _Walk(first)
    if code := out_of_office(first, last_good):
        walk.aside[first.key] = code  # the case is there all the same: somebody has to look at it, and says so
    walk.aside |= {item.key: code for item in live if (code := out_of_office(item, last_good))}
    walk.set_aside |= {item.key: item for item in live if item.key in walk.aside}
    walk = _Terms(walk, [item for item in live if item.key not in walk.aside]).walked()
    return Verdict(
        items, walk.opened, walk.status, walk.offer, walk.follow_office(), walk.effects, walk.standing, walk.aside,
        {key: decision for key, decision in walk.decided.items() if key in walk.aside}, waiting,
    )  # fmt: skip


def _first_rank(item: Item) -> tuple[bool, tuple[int, int, str, int]]:
    """Of two registrations of one subject, the one whose command gave the subject its name."""
    return derive(item.head.command, "case") != item.head.subject, item.order


def out_of_office(item: Item, last_good: LastGood | None) -> str:
    """REVOKED, POST_OVER or "": whether its node was revoked, or its author's post had ended, before it could be known."""
    if not last_good:
        return ""
    lane, seq = (item.head.ledger, item.key[0]), item.key[1]
    if seq > last_good.get(lane, seq):
        return REVOKED
    return POST_OVER if seq > last_good.get((*lane, item.head.author[1]), seq) else ""


def _covered(later: Item, item: Item) -> bool:
    """Claims that `later` was decided on `item`."""
    origin, seq = item.key
    return (origin == later.key[0] and seq < later.key[1]) or seq <= dict(later.facts.seen).get(origin, 0)


class _Walk:
    """The state of the case between two entries; `fork` gives one that may be thrown away."""

    def __init__(self, first: Item) -> None:
        self.accepted = getattr(first.facts, "accepted_ms", None) is not None  # of the case that this one goes on from
        self.opened, self.status = [first], "accepted" if self.accepted else "logged"
        self.offer: Item | None = None
        self.transfer: Key | None = None  # of the transfer that was taken up elsewhere
        self.merge: Item | None = None  # what merged it last
        self.returned: set[Key] = set()
        self.claims = {1: [first]}  # term → moves to it that were right in their own branch, even if another prevailed
        self.signed, self.follow = False, ""
        self.effects: list[tuple[Item, Item | None]] = []
        self.standing: list[Item] = []
        self.aside: dict[Key, str] = {}
        self.set_aside: dict[Key, Item] = {}
        self.decided: dict[Key, str] = {}

    def fork(self) -> "_Walk":
        twin = copy(self)
        twin.opened, twin.returned, twin.effects = self.opened.copy(), self.returned.copy(), self.effects.copy()
        twin.standing, twin.aside, twin.set_aside = self.standing.copy(), self.aside.copy(), self.set_aside.copy()
        twin.decided = self.decided.copy()
        return twin

    @property
    def holder(self) -> str:
        return self.opened[-1].facts.office

    @property
    def is_untaken(self) -> bool:
        """Claims that it goes on from another case and that nobody has taken it up yet."""
        return bool(self.opened[0].facts.predecessor) and len(self.opened) == 1

    def follow_office(self) -> str:
        return self.follow or lowest(move.facts.office for move in self.opened)

    def run(self, items: Iterable[Item]) -> None:
        for item in items:
            code = self._take(item)
            if code:
                self.put_aside(item, code)

    def put_aside(self, item: Item, code: str) -> None:
        self.aside[item.key], self.set_aside[item.key] = code, item
        if item.kind in LEGAL and self._held(item):
            self.standing.append(item)
            if item.kind == "DisputeAccepted":
                self.accepted = True
            elif not self.signed:
                self.follow = item.facts.follow_up_by

    def _held(self, item: Item) -> bool:
        """Claims that its office held the term in the branch that it was written in."""
        moves = self.claims.get(item.facts.term, ())
        return any(move.facts.office == item.facts.office and _covered(item, move) for move in moves)

    def _take(self, item: Item) -> str:
        """Lets an entry count; else says why it can't."""
        row, facts = item.row, item.facts
        if item.effect == RETURN and key_of(facts.offer) in self.returned:
            return ""  # both sides took it back: nothing is left to do
        for who in row.who:
            if self._is(who, facts.office):
                break
        else:
            return LOST if self._held(item) else FOREIGN
        if not any(_covered(item, move) for move in self.claims[facts.term]):
            return UNFIT  # not decided on any move that opened its term
        if item.effect == REVIEW:
            self._decide(item)
            return ""
        if item.effect == ANSWER:
            return self._answered(item)
        if self.status not in row.moves or (row.offer == NONE and self.offer is not None) or self._keeps_merged(item):
            return UNFIT
        if item.effect in (OFFER, TRANSFER):
            self.offer = item
        if item.effect == RETURN:
            if self.offer is None or self.offer.effect == TRANSFER or self.offer.key != key_of(facts.offer):
                return UNFIT
            self._back()
        self._count(item, None)
        return ""

    def _keeps_merged(self, item: Item) -> bool:
        """Claims that the case was merged and that who reopened it did not know of that; a successor that went back is reopened by nobody."""
        return self.status == "merged" and item.kind == "DisputeReopened" and (self.merge is None or not _covered(item, self.merge))

    def _back(self) -> None:
        """The offer is off. A successor that nobody took up ends with it: the case it goes on from does."""
        assert self.offer is not None
        self.returned.add(self.offer.key)
        self.offer = None
        if self.is_untaken:
            self.status = "merged"

    def _answered(self, item: Item) -> str:
        """What became of a transfer: returned, the case goes on here; taken up, it goes on there, and whatever comes later is told."""
        key = key_of(item.facts.offer)
        if self.offer is not None and self.offer.effect == TRANSFER and self.offer.key == key:
            if item.facts.answer == "returned":
                self._back()
                self.effects.append((item, None))
                return ""
            self.transfer, self.offer = key, None
        if (key in self.returned or key in self.set_aside) and item.facts.answer == "returned":
            self.effects.append((item, None))  # nothing is left to do; it is known, and not told again
            return ""
        if key is None or key != self.transfer:
            return UNFIT
        if self.status not in item.row.moves:
            return UNFIT
        self._count(item, None)
        return ""

    def _is(self, who: str, office: str) -> bool:
        if who == HOLDER:
            return office == self.holder
        if who == KEEPER:
            return office == (self.opened[0].head.ledger if self.is_untaken else self.holder)
        if who == OFFERED:
            return self.offer is not None and office == self.offer.facts.to
        if who == ABOVE:
            return is_above(office, self.holder)
        if who == NODE:
            return office == ""
        if who == CARRIER:
            return office == "" and self.is_untaken
        return office == self.follow_office() if who == FOLLOW else who == COVERS

    def _count(self, item: Item, adopted_by: Item | None) -> None:
        after = item.row.moves.get(self.status)
        if after is None and self.status in OPEN:
            after = FORCED.get(item.kind)
        self.status = ("accepted" if self.accepted else "logged") if after == BACK else after or self.status
        if item.kind == "DisputeAccepted":
            self.accepted = True
        if item.kind == "DisputeMerged":
            self.merge = adopted_by or item
        if item.kind == "AgreementSigned":
            self.signed, self.follow = True, item.facts.follow_up_by
        if self.status not in OPEN:
            self.offer = None
        self.effects.append((item, adopted_by))

    def _decide(self, review: Item) -> None:
        key = key_of(review.facts.item)
        if key is None or key not in self.aside or key in self.decided:
            return  # decided already, or what it was about counts by now
        self.decided[key] = review.facts.decision
        item = self.set_aside.get(key)
        if review.facts.decision != "adopt" or item is None:
            return
        moves = review.facts.moves  # see events.ReviewDecided
        if item.effect == OUTCOME:
            is_kept = self.status == "merged" and (self.merge is None or (item.kind == "DisputeReopened" and not moves))
            if not is_kept:
                self._count(item, review)
        elif item.effect == ANSWER and item.facts.answer != "returned" and self.status in OPEN and moves:
            self._gone(item, review)

    def _gone(self, item: Item, review: Item) -> None:
        """Taken up elsewhere although the transfer was off, and the holder agrees: it goes on there after all."""
        if self.offer is not None and self.offer.effect == TRANSFER:
            self.returned.add(self.offer.key)
        self.transfer, self.offer = key_of(item.facts.offer), None
        self._count(item, review)

    def open(self, move: Item) -> None:
        self.opened.append(move)
        if self.offer is not None and self.offer.effect == TRANSFER:
            self.returned.add(self.offer.key)  # called up meanwhile: that it comes back changes nothing any more
        self.offer = None


class _Terms:
    """Walks the terms: of each, the move that closes it is found first, then what it was decided on counts and the rest is late."""

    def __init__(self, walk: _Walk, items: list[Item]) -> None:
        self.walk, self.by_key = walk, {item.key: item for item in items}
        self.outcomes: dict[int, list[Item]] = {}
        self.moves: dict[int, list[Item]] = {}
        for item in items:
            if item.effect in _IN_TERMS:
                by_term = self.moves if item.effect == HOLD else self.outcomes
                by_term.setdefault(item.facts.term, []).append(item)

    def walked(self) -> _Walk:
        term, alive = 1, True
        while True:
            outcomes, moves = self.outcomes.pop(term, []), self.moves.pop(term + 1, [])
            winner = self._closed(term, outcomes, moves) if alive else None
            for move in moves:
                if move is not winner:
                    code = LOST if self._is_claim(move, term) else UNFIT
                    self.walk.put_aside(move, code)
                    if code == LOST:
                        self.walk.claims.setdefault(term + 1, []).append(move)
            if winner is None and alive:
                self.walk.run(outcomes)
            elif winner is None:
                self._all_aside(outcomes, LOST)
            alive = winner is not None
            if not moves:
                break
            term += 1
        for rest in (*self.outcomes.values(), *self.moves.values()):
            self._all_aside(rest, UNFIT)
        return self.walk

    def _all_aside(self, items: list[Item], code: str) -> None:
        for item in items:
            self.walk.put_aside(item, code)

    def _closed(self, term: int, outcomes: list[Item], moves: list[Item]) -> Item | None:
        """The move that closes the term, once what it was decided on counts and the rest of the term is set aside as late."""
        for move in sorted(moves, key=lambda item: (item.order[1], item.order[0], item.key)):
            if not self._is_claim(move, term):
                continue
            trial = self.walk.fork()
            trial.run(item for item in outcomes if _covered(move, item))
            if self._may_open(move, trial):
                self.walk = trial
                for item in outcomes:
                    if not _covered(move, item) and not self._is_answered(item, move):
                        trial.put_aside(item, LATE)
                trial.open(move)
                trial.claims[term + 1] = [move]
                return move
        return None

    def _is_claim(self, move: Item, term: int) -> bool:
        """Claims that the move is right in its own branch: an offer to it by, or an office below it that is, one that held the term."""
        if move.kind == "DisputeCalledUp":
            return any(is_above(move.facts.office, held) and _covered(move, claim) for held, claim in self._claims(term))
        offer = self._offer(move)
        return offer is not None and offer.facts.term == term and any(held == offer.facts.office for held, _ in self._claims(term))

    def _claims(self, term: int) -> list[tuple[str, Item]]:
        return [(claim.facts.office, claim) for claim in self.walk.claims.get(term, ())]

    def _offer(self, move: Item) -> Item | None:
        offer = self.by_key.get(key_of(getattr(move.facts, "offer", "")) or ("", 0))
        fits = offer is not None and offer.effect == OFFER and offer.facts.to == move.facts.office and _covered(move, offer)
        return offer if fits else None

    def _may_open(self, move: Item, walk: _Walk) -> bool:
        knew = any(office == walk.holder and _covered(move, claim) for office, claim in self._claims(move.facts.term - 1))
        if not knew or walk.status not in move.row.moves:
            return False
        if move.kind == "DisputeCalledUp":
            return is_above(move.facts.office, walk.holder)
        offer = self._offer(move)
        return offer is not None and offer.facts.office == walk.holder and offer.key not in walk.returned

    @staticmethod
    def _is_answered(item: Item, move: Item) -> bool:
        """Claims that a late offer asked for what has happened: the office it was for, or one above it, holds now."""
        return item.effect == OFFER and (item.facts.to == move.facts.office or is_above(move.facts.office, item.facts.to))
