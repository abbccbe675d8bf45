"""While a case is being written: what its words point to, and whether this node knows it already. Nothing is filed by it, nothing kept.

Types are offered (protocol.suggest) and what was offered goes along with the registration. Open cases of the same people are shown, so
that one matter is not registered twice; only those that this office may see, from this node's own data.
"""

from datetime import date
from typing import Any, Final

import msgspec
from litestar import Request, Response, post

from protocol import suggest
from protocol.node.web import forms
from protocol.node.web.page import actor_of, fragment, node_of, twin, wants_json
from protocol.node.web.register import ledgers_to_choose
from protocol.node.web.words import local
from protocol.tables import Tables

NAMES_MAX: Final = 4
NAME_CHARS_MIN: Final = 2  # a search of one character finds half of the village
PLACES_MAX: Final = 2
SAME_MAX: Final = 3  # cases shown for one name


class Offered(msgspec.Struct, frozen=True):
    """value: of the field `name` · label: as the form says it · words: what was heard."""

    name: str
    value: str
    label: str
    words: tuple[str, ...]


class Known(msgspec.Struct, frozen=True):
    """A name that was typed, and open cases of it: (id, code, title, status)."""

    name: str
    cases: tuple[tuple[str, str, str, str], ...]


def offered(text: str, tables: Tables, day: date) -> tuple[list[Offered], bool]:
    """(what is offered, whether it sounds like an accusation, which this form must not take)."""
    made, accuses = [], False
    for hint in suggest.types(text, tables, day):
        if tables.type_flag(hint.code, "sealed"):
            accuses |= any(word in tables.types[hint.code[:2]].words for word in hint.words)  # 村干部 alone accuses nobody
            continue
        made.append(Offered("type", hint.code, tables.type_name(hint.code), hint.words))
    if urgent := suggest.risk(text, tables):
        made.append(Offered("risk", urgent.code, f"{tables.word('risk', urgent.code)}色风险", urgent.words))
    return made, accuses


def places(text: str, ledgers: list[tuple[str, Any]], tables: Tables) -> list[Offered]:
    """Places to which the case may belong and which the words name; the longest names first. ledgers: as register.ledgers_to_choose gives them."""
    paths = [path for first, more in ledgers for path in ([first] if isinstance(more, str) else [own for own, _ in more])]
    named = sorted({(tables.place_name(path), path) for path in paths[1:] if tables.place_name(path) in text}, key=lambda one: -len(one[0]))
    return [Offered("ledger", path, f"属于{name}", (name,)) for name, path in named[:PLACES_MAX]]


@post("/cases/hints", status_code=200)
async def hints(request: Request) -> Response[Any]:
    node, actor = node_of(request), actor_of(request)
    form = forms.typed((await request.form()).multi_items())
    text = "".join(str(one) for one in form.get("account", [])[:1])
    found, accuses = offered(text, node.tables(), local(node.clock()).date())
    said = "".join(str(one) for one in form.get("place_text", [])[:1])
    found += places(text + said, ledgers_to_choose(request), node.tables())
    names = list(dict.fromkeys(str(name).strip() for name in form.get("party_name", [])))
    known = []
    for name in [name for name in names if len(name) >= NAME_CHARS_MIN][:NAMES_MAX]:
        page = await node.reads.cases(actor, view="open", text=name, per=SAME_MAX)
        rows = tuple((row.subject, row.code, row.title, row.status) for row in page.rows if name in row.parties)
        known += [Known(name, rows)] if rows else []
    types = " ".join(one.value for one in found if one.name == "type")
    if wants_json(request):
        return twin({"offered": found, "accuses": accuses, "known": known})
    return fragment(request, "_hints.html", offered=found, accuses=accuses, known=known, suggested=types)


def routes() -> list:
    return [hints]
