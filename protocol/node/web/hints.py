"""While a case is being written: what its words point to, and whether this node knows it already. Nothing is filed by it, nothing kept.

Types, places and the risk are offered (protocol.suggest) and what was offered goes along with the registration. Cases of the same people, found
by name, telephone or card number, are shown, open ones and those that are over, and open ones of the same place and kind, so that one matter is
not registered twice; only those that this office may see, from this node's own data.
"""

from collections.abc import Iterable
from datetime import date
from typing import Any, Final

import msgspec
from litestar import Request, Response, post

from protocol import place, suggest
from protocol.node.known import Before
from protocol.node.web import forms
from protocol.node.web.page import actor_of, fragment, node_of, twin, wants_json
from protocol.node.web.register import ledgers_to_choose
from protocol.node.web.words import local
from protocol.tables import Tables

PARTIES_MAX: Final = 4  # of a form; who is typed further down is seldom who came
NAME_CHARS_MIN: Final = 2  # a search of one character finds half of the village
PLACES_MAX: Final = 2
SAME_MAX: Final = 3  # cases shown of one person, of those that are open and of those that are over
FOUND_BY: Final = ("name", "phone", "id_number")


class Offered(msgspec.Struct, frozen=True):
    """value: of the field `name` · label: as the form says it · words: what was heard."""

    name: str
    value: str
    label: str
    words: tuple[str, ...]


class Known(msgspec.Struct, frozen=True):
    """by: one of FOUND_BY · typed: the name or number · came: he stands there as the one who comes · open, over: his cases, the last registered
    first, SAME_MAX of each · open_total, over_total: how many there are.
    """

    by: str
    typed: str
    came: bool
    open: tuple[Before, ...]
    over: tuple[Before, ...]
    open_total: int
    over_total: int


def offered(text: str, tables: Tables, day: date) -> list[Offered]:
    made = [Offered("type", hint.code, tables.type_name(hint.code), hint.words) for hint in suggest.types(text, tables, day)]
    if urgent := suggest.risk(text, tables):
        made.append(Offered("risk", urgent.code, f"{tables.word('risk', urgent.code)}色风险", urgent.words))
    return made


def places(text: str, ledgers: list[tuple[str, Any]], tables: Tables) -> list[Offered]:
    """Places to which the case may belong and which the words name; the longest names first. ledgers: as register.ledgers_to_choose gives them."""
    paths = [path for first, more in ledgers for path in ([first] if isinstance(more, str) else [own for own, _ in more])]
    named = sorted({(tables.place_name(path), path) for path in paths[1:] if tables.place_name(path) in text}, key=lambda one: -len(one[0]))
    return [Offered("ledger", path, f"属于{name}", (name,)) for name, path in named[:PLACES_MAX]]


def spot(text: str, form: forms.Typed) -> list[Offered]:
    """While 发生地点 is empty: what the words name."""
    found = "" if any(form.get("place_text", [])) else suggest.spot(text)
    return [Offered("place_text", found, f"在{found}", (found,))] if found else []


def chosen_place(form: forms.Typed, found: Iterable[Offered], request: Request) -> str:
    """Where the matter lies, once that is known: as chosen, else as the words say; an office with places below it is no place of a matter."""
    office = actor_of(request).office
    chosen = "".join(form.get("ledger", [])[:1]) or office
    if chosen != office or not (place.is_unit(office) or node_of(request).tables().children(office)):
        return chosen
    return next((one.value for one in found if one.name == "ledger"), "")


def suggested(found: Iterable[Offered]) -> str:
    """As LogDispute keeps it. Of a spot only that one was offered: what it says is of somebody's words, which can be erased."""
    said = {"type": "{0.value}", "place_text": "spot"}
    return " ".join(said.get(one.name, "{0.name}:{0.value}").format(one) for one in found)


async def known_of(request: Request, form: forms.Typed) -> list[Known]:
    """What this node knows of the parties that were typed; each case once, of the first that has it."""
    known, actor, tables = node_of(request).reads.known, actor_of(request), node_of(request).tables()
    made, shown = [], set()
    for row in forms.party_rows(form)[:PARTIES_MAX]:
        for field in FOUND_BY:
            typed = row.get(field, "").strip()
            if len(typed) < NAME_CHARS_MIN:
                continue
            cases = await (known.of_name(actor, typed) if field == "name" else known.of_number(actor, typed))
            fresh = [one for one in cases if one.subject not in shown and not tables.type_flag(one.type, "sealed")]
            shown |= {one.subject for one in fresh}
            open_, over = [one for one in fresh if one.is_open], [one for one in fresh if not one.is_open]
            if fresh:
                came = row.get("side", "applicant") == "applicant"
                made.append(Known(field, typed, came, tuple(open_[:SAME_MAX]), tuple(over[:SAME_MAX]), len(open_), len(over)))
    return made


async def alike(request: Request, form: forms.Typed, found: list[Offered], known: list[Known]) -> list[Before]:
    """Open cases that may be this one, once its type and its place are known."""
    tables = node_of(request).tables()
    type_ = "".join(form.get("type", [])[:1]) or next((one.value for one in found if one.name == "type"), "")
    where = chosen_place(form, found, request)
    if not type_ or not where or tables.type_flag(type_, "sealed"):
        return []
    text = "".join(form.get("account", [])[:1])[: suggest.TEXT_CHARS_MAX]
    apart = {one.subject for who in known for one in (*who.open, *who.over)}
    rows = await node_of(request).reads.known.alike(actor_of(request), where, type_, text, apart)
    return [one for one in rows if not tables.type_flag(one.type, "sealed")]


@post("/cases/hints", status_code=200)
async def hints(request: Request) -> Response[Any]:
    node = node_of(request)
    form = forms.typed((await request.form()).multi_items())
    text = "".join(form.get("account", [])[:1])
    day = local(node.clock()).date()
    found = offered(text, node.tables(), day)
    accuses = suggest.accuses("\n".join(value for values in form.values() for value in values), node.tables(), day)
    said = "".join(form.get("place_text", [])[:1])
    found += [*places(text + said, ledgers_to_choose(request), node.tables()), *spot(text, form)]
    known = await known_of(request, form)
    like = [] if accuses else await alike(request, form, found, known)
    if wants_json(request):
        return twin({"offered": found, "accuses": accuses, "known": known, "alike": like})
    return fragment(request, "_hints.html", offered=found, accuses=accuses, known=known, alike=like, suggested=suggested(found))


def routes() -> list:
    return [hints]
