"""Who can be sent to a place, in which order, and why in words: pure, so that the order is the same on every page and easy to test.

The order, first that which weighs most:
1. A party of the case comes last: he must not go at all.
2. Whose phone gets no task for the place comes before him: he can't be told.
3. Who was at this case before comes first: people do not tell their story twice. Then who met one of the parties in another case.
4. Nearer before farther: same place, same place above it, elsewhere.
5. Whose phone this place's own ledger reaches before those who are reached through their office: one step fewer that can be late.
6. Fewer open tasks; of equal ones, whoever has the next thing due later (nothing due: last of all dates).
7. Office, name, id: so that the order never jumps.

Distance is that of places, not of roads: the ledger knows no kilometres. A visit counts when he arrived or reported; names are compared,
so a visit to somebody of the same name counts too, and the page says 同名.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from protocol import place as places
from protocol.node.shown import CadreChoice
from protocol.tables import Tables

SAME, NEAR, FAR = 0, 1, 2
FREE_MS: Final = 2**62  # nothing is due: later than every date


class Past(msgspec.Struct, frozen=True):
    """What somebody did before. here: visits to this case · met: to other cases of people with these names · names: whom · last_ms: the newest."""

    here: int = 0
    met: int = 0
    names: tuple[str, ...] = ()
    last_ms: int = 0


class Candidate(msgspec.Struct, frozen=True):
    """distance: SAME, NEAR or FAR · past: what he did before · is_party: he has the name of a party · may: he can be chosen."""

    choice: CadreChoice
    distance: int
    past: Past
    is_party: bool

    @property
    def may(self) -> bool:
        return not self.is_party and (self.choice.reachable or self.choice.linked)


def at(office: str) -> str:
    """The place where an office works: a unit's is the one that it belongs to."""
    return (places.parent(office) or office) if places.is_unit(office) else office


def shared(office: str, place: str) -> str:
    """The smallest place in which both lie; "" when they have none in common."""
    both = []
    for one, other in zip(places.segments(at(office)), places.segments(at(place)), strict=False):
        if one != other:
            break
        both.append(one)
    return "/".join(both)


def distance(office: str, place: str) -> int:
    """How far a post in `office` is from `place`, by places: to have the whole region in common brings nobody near."""
    if at(office) == at(place):
        return SAME
    both = shared(office, place)
    return NEAR if both and places.tier(both) else FAR


def ranked(choices: Iterable[CadreChoice], place: str, parties: Iterable[str], past: Mapping[str, Past]) -> list[Candidate]:
    """In the order above, each person once, by the post that is first in it. parties: names of the parties of the case · past: by person."""
    names = {name for name in parties if name}
    made = [Candidate(one, distance(one.office, place), past.get(one.person, Past()), one.name in names) for one in choices]
    first: dict[str, Candidate] = {}
    for one in sorted(made, key=_key):
        first.setdefault(one.choice.person, one)
    return list(first.values())


def _key(one: Candidate) -> tuple:
    choice = one.choice
    return (
        one.is_party,
        not one.may,
        0 if one.past.here else 1 if one.past.met else 2,
        one.distance,
        not choice.reachable,
        choice.open_tasks,
        -(choice.next_due_ms or FREE_MS),
        choice.office,
        choice.name,
        choice.person,
    )


def matching(some: Iterable[Candidate], find: str, tables: Tables) -> list[Candidate]:
    """Those whose name, unit or duty has every word of `find`, in the order given; all of them without a word."""
    words, units = find.casefold().split(), {}
    found = []
    for one in some:
        office = one.choice.office
        if office not in units:
            units[office] = f"{tables.office_name(office)} {tables.place_full(at(office))}"
        said = f"{one.choice.name} {duty(one.choice, tables)} {units[office]}".casefold()
        if all(word in said for word in words):
            found.append(one)
    return found


def duty(choice: CadreChoice, tables: Tables) -> str:
    """What he is: his title, else what his post is called."""
    return choice.title or (tables.posts[choice.kind].name if choice.kind in tables.posts else "")


def where(one: Candidate, place: str, tables: Tables) -> str:
    """就在高禹村 · 同在天子湖镇 · 从安吉县社会治理中心来"""
    if one.distance == FAR:
        return f"从{tables.office_name(one.choice.office)}来"
    return f"就在{tables.place_name(place)}" if one.distance == SAME else f"同在{tables.place_name(shared(one.choice.office, place))}"


def before(past: Past, last: str) -> str:
    """What he did before, in words; "" for nothing. last: the day of the newest visit, as the page writes days."""
    parts = []
    if past.here:
        parts.append(f"来过这件 {past.here} 次")
    if past.met:
        names = "、".join(past.names[:2])
        parts.append(f"见过{names}等 {past.met} 次（按姓名）" if len(past.names) > 2 else f"见过{names} {past.met} 次（按姓名）")
    return "，".join(parts) + f"，最近{last}" if parts else ""


def why_not(one: Candidate) -> str:
    """Why he can't be chosen; "" when he can."""
    if one.is_party:
        return "与这件的当事人同名，要回避，不能派"
    return "" if one.may else "手机收不到这里的任务，请换一位"


def spread(visits: Sequence[tuple[str, str, list[Candidate]]], team: Iterable[str]) -> dict[str, Candidate]:
    """Who of a team makes which visit of one day, so that all have about as many and nobody drives where another one is anyway.

    visits: (id, place, candidates in the order above). The place with the most visits comes first. Each visit goes to the one who has not yet
    his share, is in that place already, and stands first; a visit that nobody may make is left out.
    """
    members, found, given = set(team), dict[str, Candidate](), Counter[str]()
    there: set[tuple[str, str]] = set()
    share, of_place = -(-len(visits) // max(1, len(members))), Counter(place for _, place, _ in visits)
    for visit, place, ranked_for_it in sorted(visits, key=lambda visit: (-of_place[visit[1]], visit[1])):
        able = [one for one in ranked_for_it if one.may and one.choice.person in members]
        if not able:
            continue
        weighed = [
            (max(0, given[one.choice.person] - share + 1), (one.choice.person, place) not in there, order) for order, one in enumerate(able)
        ]
        best = able[min(weighed)[2]]
        found[visit] = best
        given[best.choice.person] += 1
        there.add((best.choice.person, place))
    return found
