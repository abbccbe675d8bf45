"""人员: who works where. A person, a post and, on this machine, a first sign-in by one-time code, made in one step.

    GET /people?office=&text=            persons of the office and below
    POST /people                         RegisterPerson + GivePost (+ IssueCode: an account here); JSON gives {person, post, account, code}
    POST /people/{person}/post           a further post for a person who is there; one that opens what is sealed comes with a new code
    POST /people/{person}/end            EndPost
    POST /people/{person}/account        IssueCode: an account of this machine for who is there already
    POST /people/{person}/code           IssueCode: a new one-time code for an account of this machine; all its sessions end, the old password is void

A code is shown once, on the page that answers. An account belongs to one machine: who works at another node gets theirs
there (`yidi passwd`), so this page offers one only for posts that this node serves. Ids are derived from the form's
command id, so the same form sent twice is one person.
"""

import re
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from litestar import Request, Response, get, post
from litestar.params import FromPath

from protocol import certificate as certificates
from protocol import people_rules, place
from protocol.commands import Command, EndPost, GivePost, IssueCode, RegisterPerson
from protocol.entry import derive
from protocol.node import guarding
from protocol.node.apart import Apart, apart
from protocol.node.in_hand import InHand, in_hand
from protocol.node.people import check_account
from protocol.node.shown import PersonRow
from protocol.node.web import forms
from protocol.node.web.page import actor_of, node_of, number_of_page, page, twin, wants_json
from protocol.problem import Refused

PER: Final = 30  # persons on a page
READ_MAX: Final = 200  # and in an answer for programs


class Made(msgspec.Struct, frozen=True):
    """What came of a form. code: the one-time code, to be told once ("" = no account here) · ended: all sessions of the account were ended for it."""

    person: str
    post: str
    name: str
    account: str = ""
    code: str = ""
    ended: bool = False


class Ending(msgspec.Struct, frozen=True):
    """What the end of a post leaves behind. others: its person has further posts · phone: the only one by which a phone of theirs may send."""

    hand: InHand
    others: bool
    phone: bool


def offices_to_choose(request: Request) -> list[tuple[str, list[tuple[str, str]]]]:
    """The own office with its units, then every place below with its own."""
    tables, office = node_of(request).tables(), actor_of(request).office
    first = [(office, tables.office_name(office)), *((path, tables.office_name(path)) for path in tables.units_of(office))]
    groups = [("本级和部门", first)]
    for child in tables.children(office):
        below = [(child, tables.office_name(child)), *((path, tables.office_name(path)) for path in tables.children(child))]
        groups.append((tables.place_name(child), below))
    return groups


def posts_to_choose(request: Request) -> list[tuple[str, str]]:
    """Kinds of post; those that open what is sealed, or give such, only for an admin of the top."""
    tables, actor = node_of(request).tables(), actor_of(request)
    may = people_rules.may_guard(actor)
    return [(kind, row.name) for kind, row in tables.posts.items() if may or not people_rules.is_guarded(row.powers, actor.office)]


def homes_to_choose(request: Request, office: str = "") -> list[tuple[str, str]]:
    """Nodes that may be a phone's home, this one first; with `office` only those that act for it."""
    node, shelf = node_of(request), node_of(request).desk.shelf
    others = [(known.node, known.name or known.node) for known in shelf.certificates.values() if known.node not in shelf.revoked]
    own = (node.certificate.node, f"本机（{node.name}）")
    rows = [own, *sorted(row for row in others if row[0] != own[0])]
    known = {**shelf.certificates, own[0]: node.certificate}
    return [row for row in rows if not office or certificates.serves(known[row[0]], office)]


async def people_context(request: Request, about: str = "") -> dict[str, Any]:
    """about: a person whom the page must show. Raises Refused not_allowed without the power people or admin."""
    node, actor, asked = node_of(request), actor_of(request), request.query_params
    text, office = asked.get("text", "").strip()[:40], asked.get("office", "")[:40]
    rows = [
        row
        for row in await node.reads.people(actor)
        if (not text or text in row.name or text in row.phone) and (not office or place.within(row.office, office))
    ]
    accounts: dict[str, list[str]] = {}
    for name, person in await node.people.accounts():
        accounts.setdefault(person, []).append(name)
    per = READ_MAX if wants_json(request) else PER
    number = next((at // per + 1 for at, row in enumerate(rows) if row.person == about), number_of_page(request))
    number = min(number, max(1, -(-len(rows) // per)))
    shown = rows[(number - 1) * per : number * per]
    return {
        "people": shown,
        "per": per,
        "page": number,
        "address": f"/people?{urlencode({'text': text, 'office': office})}&",
        "endings": await endings_of(request, shown) if "people" in actor.powers else {},
        "reassigns": "assign" in actor.powers,
        "total": len(rows),
        "apart": await _apart(request),
        "accounts": accounts,
        "asked_text": text,
        "asked_office": office,
        "offices": offices_to_choose(request),
        "kinds": posts_to_choose(request),
        "homes": homes_to_choose(request),
        "form": {},
        "wrong": {},
        **(await guards_of(request) if people_rules.may_guard(actor) else {}),
    }


async def _apart(request: Request) -> Apart:
    """Whom somebody registered, gave a post or dismissed who was out of office: the list does not say so."""
    node, found = node_of(request), Apart()
    for one in (await apart(node.desk.journal, node.desk.shelf, actor_of(request), node.clock())).values():
        found = found.joined(one)
    return found


async def endings_of(request: Request, rows: list[PersonRow]) -> dict[str, Ending]:
    """Of each post of these persons that has not ended."""
    node = node_of(request)
    posts = {row.person: [one for one in row.posts if not one[5]] for row in rows}
    hands = await in_hand(node.desk.journal, posts, (office for some in posts.values() for _, _, _, office, _, _ in some))
    found: dict[str, Ending] = {}
    for person, some in posts.items():
        sends = [one for one, kind, *_ in some if "field" in node.tables().post_powers(kind)]
        for one, *_ in some:
            found[one] = Ending(hands.get(person, InHand()), len(some) > 1, sends == [one])
    return found


async def guards_of(request: Request) -> dict[str, Any]:
    """See guarding.py; with the names of all persons in it."""
    node = node_of(request)
    rows = await guarding.guarded(node.journal, node.tables(), node.certificate.node, await node.people.accounts())
    names = await node.reads.person_names({person for row in rows for person in row.persons})
    return {"guards": rows, "guard_names": names}


@get("/people")
async def people_page(request: Request) -> Response[Any]:
    context = await people_context(request)
    if wants_json(request):
        return twin({name: context[name] for name in ("people", "total", "apart")})
    return await page(request, "people.html", **context)


async def _form(request: Request) -> dict[str, str]:
    return {name: values[0] for name, values in forms.typed((await request.form()).multi_items()).items()}


async def _again(request: Request, form: dict[str, str], refusal: Refused) -> Response[Any]:
    """form: of who was to be registered, as it was typed."""
    wrong = {refusal.field: refusal.sentence} if refusal.field else {}
    if wants_json(request):
        return twin({"code": refusal.code, "sentence": refusal.sentence, "wrong": wrong}, refusal.status)
    context = {**await people_context(request), "form": form, "wrong": wrong}
    return await page(request, "people.html", status=refusal.status, sentence=refusal.sentence, **context)


async def _unchanged(request: Request, person: str, refusal: Refused) -> Response[Any]:
    """What was asked of somebody who is there was refused. It is said above the list: in the form that registers a person it would make a second one."""
    if wants_json(request):
        return await _again(request, {}, refusal)
    return await page(request, "people.html", status=refusal.status, refused=refusal.sentence, **await people_context(request, person))


def _built(kind: type[Command], **values: Any) -> Any:
    """A command of what a form said. Raises Refused with the field that is wrong."""
    labels = {"name": "姓名", "phone": "电话", "office": "单位", "title": "职务", "post": "岗位", "reason": "原因", "id": "表格编号"}
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        field = (re.search(r"\$\.(\w+)", str(error)) or ["", "name"])[1]
        code = "field_missing" if "length >= 1" in str(error) else "field_impossible"
        raise Refused(code, field=field, what=labels.get(field, field), why="请重新填写") from error


def _post_of(request: Request, form: dict[str, str], person: str) -> GivePost:
    """A post that goes out needs a home node for its phone, one that acts for the office: else nothing could be written there."""
    node, kind, command_id = node_of(request), form.get("kind", ""), form.get("command_id", "")
    if not kind:
        raise Refused("field_missing", field="kind", what="岗位")
    home = ""
    if "field" in node.tables().post_powers(kind):
        serving = [known for known, _ in homes_to_choose(request, form.get("office", ""))]
        home = form.get("home") or (serving[0] if serving else "")
        if home not in serving:
            why = "这台机器不替这个单位办事，请选它自己的机器" if serving else "现在没有机器替这个单位办事，请先让它的电脑加入"
            raise Refused("field_impossible", field="home", what="手机归哪台机器", why=why)
    return _built(
        GivePost,
        id=derive(command_id, "give"),
        post=f"{kind}.{derive(command_id, 'post')[:8]}",
        person=person,
        office=form.get("office", ""),
        title=form.get("title") or node.tables().post_name(kind),
        home=home,
    )


async def _checked(request: Request, form: dict[str, str], person: str) -> None:
    """An account that could not be made is said before the person is written. Raises Refused (field account)."""
    node, name = node_of(request), form.get("account", "")
    if not name:
        return
    check_account(name)
    if "field" in node.tables().post_powers(form.get("kind", "")) and form.get("home") not in ("", None, node.certificate.node):
        raise Refused("field_impossible", field="account", what="登录账号", why="手机归别的机器，账号要在那台机器上开")
    await node.people.check_free(name, person)
    if any(whose == person and known != name for known, whose in await node.people.accounts()):
        raise Refused("field_impossible", field="account", what="登录账号", why="他在本机已经有账号")


async def _let_in(request: Request, person: str, account: str, command_id: str) -> None:
    """Who gives a code is written first, by an id that no other account has. Raises Refused."""
    command = _built(IssueCode, id=derive(command_id, f"code {account}"), person=person, account=account)
    await node_of(request).desk.submit(command, actor_of(request))


async def _opened(request: Request, person: str, account: str, command_id: str) -> str:
    """An account here, new; its one-time code. Raises Refused."""
    await _let_in(request, person, account, command_id)
    return await node_of(request).people.add_account(account, person, None, node_of(request).clock())


@post("/people", status_code=200)
async def register(request: Request) -> Response[Any]:
    node, actor, form = node_of(request), actor_of(request), await _form(request)
    command_id = form.get("command_id", "")
    person = derive(command_id, "person")
    try:
        registered = _built(
            RegisterPerson,
            id=command_id,
            person=person,
            office=form.get("office", ""),
            name=form.get("name", ""),
            phone=form.get("phone", ""),
        )
        given = _post_of(request, form, person)
        await _checked(request, form, person)
        await node.desk.submit(registered, actor)
        await node.desk.submit(given, actor)
        account = form.get("account", "")
        code = await _opened(request, person, account, command_id) if account else ""
    except Refused as refusal:
        return await _again(request, form, refusal)
    return await _made(request, Made(person, given.post, registered.name, account, code))


async def _made(request: Request, made: Made) -> Response[Any]:
    if wants_json(request):
        return twin(made, 201)
    return await page(request, "people.html", made=made, **await people_context(request, made.person))


@post("/people/{person:str}/post", status_code=200)
async def give(request: Request, person: FromPath[str]) -> Response[Any]:
    node, actor, form = node_of(request), actor_of(request), await _form(request)
    account = code = ""
    try:
        given = _post_of(request, form, person)
        await node.desk.submit(given, actor)
        if people_rules.is_guarded(node.tables().post_powers(form.get("kind", "")), given.office) and person != actor.person:
            # whoever opened the account before may know its password
            for account in [name for name, whose in await node.people.accounts() if whose == person]:
                await _let_in(request, person, account, given.id)
                code = await node.people.passwd(account, None, node.clock())
    except Refused as refusal:
        return await _unchanged(request, person, refusal)
    return await _made(request, Made(person, given.post, await node.reads.person_name(person), account, code, ended=bool(code)))


@post("/people/{person:str}/end", status_code=200)
async def end(request: Request, person: FromPath[str]) -> Response[Any]:
    form = await _form(request)
    told = {"post": form.get("post", ""), "office": form.get("office", ""), "reason": form.get("reason", "")}
    try:
        ended = _built(EndPost, id=form.get("command_id", ""), **told)
        await node_of(request).desk.submit(ended, actor_of(request))
    except Refused as refusal:
        return await _unchanged(request, person, refusal)
    return await _made(request, Made(person, ended.post, await node_of(request).reads.person_name(person)))


@post("/people/{person:str}/code", status_code=200)
async def new_code(request: Request, person: FromPath[str]) -> Response[Any]:
    node, actor, form = node_of(request), actor_of(request), await _form(request)
    name = form.get("account", "")
    if person not in {row.person for row in await node.reads.people(actor)} or (name, person) not in await node.people.accounts():
        raise Refused("page_unknown")
    await _let_in(request, person, name, form.get("command_id", ""))
    code = await node.people.passwd(name, None, node.clock())
    return await _made(request, Made(person, "", await node.reads.person_name(person), name, code, ended=True))


@post("/people/{person:str}/account", status_code=200)
async def new_account(request: Request, person: FromPath[str]) -> Response[Any]:
    """Who stands in the ledger already, at another machine perhaps, gets an account of this one by a one-time code."""
    node, actor, form = node_of(request), actor_of(request), await _form(request)
    if person not in {row.person for row in await node.reads.people(actor)}:
        raise Refused("page_unknown")
    name = form.get("account", "")
    try:
        if not name:
            raise Refused("field_missing", field="account", what="登录账号")
        await _checked(request, form, person)
        if any(whose == person for _, whose in await node.people.accounts()):
            raise Refused("field_impossible", field="account", what="登录账号", why="他在本机已经有账号")
        code = await _opened(request, person, name, form.get("command_id", ""))
    except Refused as refusal:
        return await _unchanged(request, person, refusal)
    return await _made(request, Made(person, "", await node.reads.person_name(person), name, code))


def routes() -> list[Any]:
    return [people_page, register, give, end, new_code, new_account]
