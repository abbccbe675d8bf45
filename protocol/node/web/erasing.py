"""依法删除: which words about people a case still holds, entry by entry, and their erasure on a ground of the law.

GET  /cases/{id}/erase?word=      every entry of the case, of what was written apart and of its tasks that still has a body, and of the same
                                  matter elsewhere (转办, 并案); those that hold `word` (a name, a number) are ticked
POST /cases/{id}/erase            item … ground, replacement → one EraseBody each, ids derived from the form's; sent again it goes on where
                                  it stopped. The replacement stands in place of each, and can be erased in its turn

Status, holder, clocks and receipts stay, since they hang on heads alone. Whatever node gets the erasure deletes the words too.
"""

from typing import Any, Final

import msgspec
from litestar import Request, Response, get, post
from litestar.params import FromPath

from protocol.case import Case, Line
from protocol.commands import EraseBody
from protocol.entry import derive
from protocol.node import removing
from protocol.node.errands import linked_id
from protocol.node.shown import Key
from protocol.node.web import forms
from protocol.node.web.page import actor_of, node_of, page, twin, wants_json
from protocol.place import within
from protocol.problem import Refused
from protocol.tables import Tables

ITEMS_MAX: Final = 200
INSTEAD_CHARS_MAX: Final = 500
GROUNDS: Final = "erase_ground"
OPINION: Final = "内部意见"


class Held(msgspec.Struct, frozen=True):
    """item: `ledger|origin|seq` · of: 经过, 内部意见, 任务 or 代为说明 · may: its ledger lies in the actor's region · gone: erased by
    law, while words that merely have not come can still be."""

    item: str
    of: str
    line: Line
    may: bool
    gone: bool


async def others_of(request: Request, case: Case, which: str = removing.MATTER) -> list[Case]:
    """The same matter in other ledgers or under other numbers (转办, 并案), as far as it may be seen here. which: a query of removing.py."""
    node, found = node_of(request), list[Case]()
    for (subject,) in await node.journal.select(which, {"case": case.id}):
        try:
            found.append(await node.reads.case(actor_of(request), subject))
        except Refused:
            continue
    return found


async def held(request: Request, case: Case, others: list[Case]) -> list[Held]:
    """What of the case, and of the others of its matter, has words, oldest first within each part; erased ones stand there too, for they say that they were."""
    node, actor = node_of(request), actor_of(request)
    parts: list[tuple[str, list[Line]]] = []
    for one in (case, *others):
        parts.append(("经过", one.lines))
        parts += [(OPINION, companion.lines) for companion in await node.reads.companions(actor, one.id)]
        for row in await node.reads.tasks(actor, case=one.id):
            for subject in (row.subject, linked_id(row.subject)):
                try:
                    parts.append(("任务", (await node.reads.task(actor, subject)).lines))
                except Refused:
                    continue  # there is no linked task, or it lies beyond what is to be seen here
    taken = set[tuple[str, Key]]()
    for subject in sorted({line.head.subject for _, lines in parts for line in lines if line.erased}):
        erasures = await node.reads.erasures(subject)
        parts.append(("代为说明", [gone.line for gone in erasures.values()]))
        taken |= {(subject, key) for key in erasures}
    return [
        Held(f"{head.ledger}|{head.origin}|{head.seq}", of, line, within(head.ledger, actor.office), (head.subject, key) in taken)
        for of, lines in parts
        for line in lines
        if (head := line.head).body_hash and (key := (head.ledger, head.origin, head.seq))
    ]


async def naming(request: Request, rows: list[Held], word: str) -> set[str]:
    """Items whose body holds the word anywhere, also in what no page shows (a number of a card, an address)."""
    found = set[str]()
    for subject in {row.line.head.subject for row in rows if row.may}:
        for e in await node_of(request).journal.subject(subject):
            if e.body is not None and word.encode() in e.body:
                found.add(f"{e.ledger}|{e.origin}|{e.seq}")
    return found & {row.item for row in rows if row.may}


def grounds(tables: Tables) -> list[str]:
    """A county's older table may lack them: then the packaged ones."""
    return [name for _, name in tables.words(GROUNDS) or Tables.packaged().words(GROUNDS)]


async def erasing_context(request: Request, subject: str) -> dict[str, Any]:
    """Raises Refused case_unknown, not_allowed."""
    node, actor = node_of(request), actor_of(request)
    case: Case = await node.reads.case(actor, subject)
    if "erase" not in actor.powers:
        raise Refused("not_allowed", what="依法删除正文")
    word = request.query_params.get("word", "").strip()[:40]
    others = await others_of(request, case)
    rows = await held(request, case, others)
    names = {row.line.head.author[0] for row in rows}
    return {
        "case": case,
        "others": others,
        "rows": rows,
        "word": word,
        "unread": sum(row.line.erased and row.may and not row.gone for row in rows),
        "ticked": await naming(request, rows, word) if word else set(),
        "grounds": [(text, text) for text in grounds(node.tables())],
        "names": {person: await node.reads.person_name(person) for person in names},
        "form": {},
        "wrong": {},
    }


@get("/cases/{subject:str}/erase")
async def erasing_page(request: Request, subject: FromPath[str]) -> Response[Any]:
    context = await erasing_context(request, subject)
    if wants_json(request):
        rows = [
            {
                "item": r.item,
                "of": r.of,
                "kind": r.line.kind,
                "text": r.line.text,
                "erased": r.gone,
                "missing": r.line.erased and not r.gone,
                "may": r.may,
            }
            for r in context["rows"]
        ]
        return twin({"rows": rows, "ticked": sorted(context["ticked"])})
    return await page(request, "erase.html", **context)


@post("/cases/{subject:str}/erase", status_code=200)
async def erase(request: Request, subject: FromPath[str]) -> Response[Any]:
    node, actor = node_of(request), actor_of(request)
    form = forms.typed((await request.form()).multi_items())
    items, ground = form.get("item", [])[:ITEMS_MAX], (form.get("ground") or [""])[0]
    command, sure, instead = ((form.get(name) or [""])[0] for name in ("command_id", "sure", "replacement"))
    context = await erasing_context(request, subject)
    wrong: dict[str, str] = {}
    if len(instead) > INSTEAD_CHARS_MAX:
        wrong["replacement"] = f"最多 {INSTEAD_CHARS_MAX} 个字。"
    if not items:
        wrong["item"] = "请勾选要删除的条目。"
    if ground not in dict(context["grounds"]):
        wrong["ground"] = "请选依据。"
    if not sure and not wants_json(request):
        wrong["sure"] = "删了找不回来，请确认。"
    if outside := [item for item in items if item not in {row.item for row in context["rows"] if row.may}]:
        wrong["item"] = f"有 {len(outside)} 条不在这件里，或者不归本级删除。"
    try:
        if wrong:
            raise Refused("form_incomplete", count=len(wrong))
        for item in items:
            await node.desk.submit(EraseBody(id=derive(command, item), item=item, ground=ground, replacement=instead), actor)
    except Refused as refusal:
        if wants_json(request):
            return twin({"code": refusal.code, "sentence": refusal.sentence, "wrong": wrong}, refusal.status)
        again = {"form": {**forms.shown(form), "ground": ground}, "wrong": wrong, "sentence": refusal.sentence, "ticked": set(items)}
        return await page(request, "erase.html", status=refusal.status, **{**context, **again})
    if wants_json(request):
        return twin({"erased": len(items)})
    return Response("", status_code=303, headers={"Location": f"/cases/{subject}?said=EraseBody"})


def routes() -> list[Any]:
    return [erasing_page, erase]
