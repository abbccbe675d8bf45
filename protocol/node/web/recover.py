"""忘了密码, also with no network: a challenge is shown here and read to a node above by telephone, whose answer opens a new password.

GET  /recover                   the account
POST /recover                   the challenge, and whom to ring up
POST /recover/finish            the answer and a new password → signed out everywhere, then the sign-in
GET  /vouch                     at a node above: whose machine, which account, which challenge; who was answered lately
POST /vouch                     VouchReset, then the answer, told once
"""

from typing import Any

import msgspec
from litestar import Request, Response, get, post
from litestar.response import Redirect

from protocol import entry, place
from protocol.commands import VouchReset
from protocol.events import ResetVouched, body_of, facts_of
from protocol.node.web import forms
from protocol.node.web.page import actor_of, node_of, page, refused_twin, twin, wants_json
from protocol.problem import Refused

LATELY_MAX = 20
LOOKED_AT_MAX = 5_000  # entries about accounts, the newest first


async def _form(request: Request) -> dict[str, str]:
    return {name: values[0] for name, values in forms.typed((await request.form()).multi_items()).items()}


async def _page(request: Request, status: int = 200, **more: Any) -> Response[Any]:
    node = node_of(request)
    above = [(c.name, node.tables().office_name(c.serves[0].removesuffix("/*"))) for c in node.recovering.above()]
    context: dict[str, Any] = {"above": above, "form": {}, "wrong": {}, "challenge": "", "account": "", "node_name": node.name, **more}
    return await page(request, "recover.html", status=status, **context)


@get("/recover", public=True)
async def recover_page(request: Request) -> Response[Any]:
    return await _page(request)


@post("/recover", public=True, status_code=200)
async def ask(request: Request) -> Response[Any]:
    node, form = node_of(request), await _form(request)
    account = form.get("name", "")
    try:
        challenge = await node.recovering.ask(account, node.clock())
    except Refused as refusal:
        if wants_json(request):
            return refused_twin(request, refusal)
        return await _page(request, refusal.status, form=form, wrong={refusal.field or "name": refusal.sentence})
    if wants_json(request):
        return twin({"node": node.certificate.node, "account": account, "challenge": challenge})
    return await _page(request, challenge=challenge, account=account)


@post("/recover/finish", public=True, status_code=200)
async def finish(request: Request) -> Response[Any]:
    node, form = node_of(request), await _form(request)
    account, password = form.get("account", ""), form.get("password", "")
    try:
        if password != form.get("again"):
            raise Refused("field_impossible", field="again", what="第二次输入的密码", why="和第一次不一样")
        await node.recovering.finish(account, form.get("answer", ""), password, node.clock())
    except Refused as refusal:
        if wants_json(request):
            return refused_twin(request, refusal)
        kept = {"answer": form.get("answer", "")}
        wrong = {refusal.field or "answer": refusal.sentence}
        return await _page(request, refusal.status, account=account, challenge=form.get("challenge", ""), form=kept, wrong=wrong)
    return twin({"status": "ok"}) if wants_json(request) else Redirect("/sign-in", status_code=303)


# ── at the node above ──


async def _vouch_page(request: Request, status: int = 200, **more: Any) -> Response[Any]:
    """Raises Refused not_allowed."""
    node, actor = node_of(request), actor_of(request)
    if not actor.powers & {"people", "admin"}:
        raise Refused("not_allowed", what="帮下级找回密码")
    below = [c for c in node.recovering.below() if any(place.within(path.removesuffix("/*"), actor.office) for path in c.serves)]
    rows = [(c.node, f"{node.tables().office_name(c.serves[0].removesuffix('/*'))}（{c.name}）") for c in below]
    context: dict[str, Any] = {"below": rows, "form": {}, "wrong": {}, "answer": "", "lately": await _lately(request), **more}
    return await page(request, "vouch.html", status=status, **context)


async def _lately(request: Request) -> list[dict[str, Any]]:
    """Who answered for whom by telephone, the newest first, within the actor's region. A code that a node gave for an account of its own is
    the same event, and no answer."""
    node, office, found = node_of(request), actor_of(request).office, list[dict[str, Any]]()
    for start in range(0, LOOKED_AT_MAX, LOOKED_AT_MAX // 10):
        rows = await node.journal.rows("entry", "sort = 'account'", order="position desc", limit=LOOKED_AT_MAX // 10, offset=start)
        for row in rows:
            head = entry.decode_head(bytes(row["head_bytes"]))
            facts, body = facts_of(head), body_of(head.kind, row["body"])
            if not isinstance(facts, ResetVouched) or facts.node == entry.node_of(head.origin) or not place.within(head.ledger, office):
                continue
            by = await node.reads.person_name(head.author[0])
            account = body.text if body else "（已删除或还没到本机）"
            found.append({"account": account, "place": head.ledger, "by": by, "office": facts.office, "at_ms": head.occurred_ms})
            if len(found) == LATELY_MAX:
                return found
        if not rows:
            break
    return found


@get("/vouch")
async def vouch_page(request: Request) -> Response[Any]:
    return await _vouch_page(request)


@post("/vouch", status_code=200)
async def vouch(request: Request) -> Response[Any]:
    node, actor, form = node_of(request), actor_of(request), await _form(request)
    try:
        if not form.get("sure") and not wants_json(request):
            raise Refused("field_missing", field="sure", what="已经确认是本人")
        told = {name: form.get(name, "") for name in ("node", "account", "challenge")}
        try:
            command = msgspec.convert({"id": form.get("command_id", ""), **told}, VouchReset)
        except msgspec.ValidationError as error:
            missing = next((name for name, value in told.items() if not value), "challenge")
            raise Refused(
                "field_missing", field=missing, what={"node": "机器", "account": "账号", "challenge": "12 个字母的那一串"}[missing]
            ) from error
        await node.desk.submit(command, actor)
        answer = node.recovering.vouch(command.node, command.account, command.challenge)
    except Refused as refusal:
        if wants_json(request):
            return refused_twin(request, refusal)
        return await _vouch_page(
            request, refusal.status, form=form, wrong={refusal.field or "node": refusal.sentence}, sentence=refusal.sentence
        )
    return twin({"answer": answer}) if wants_json(request) else await _vouch_page(request, answer=answer, account=command.account)


def routes() -> list[Any]:
    return [recover_page, ask, finish, vouch_page, vouch]
