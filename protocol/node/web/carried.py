"""What was typed, or being sent when the session had ended, of a page that has no way of its own to fill its form again.

`shown`: one press sends it. Nothing is written by showing it. A chosen file did not arrive: then the way back to its page is all there is,
beside what was typed. `left`: the step is not offered any more, so there is no form to put the words into; they are read and copied there.
"""

from typing import Any, Final
from urllib.parse import urlencode

from litestar import Request, Response

from protocol import dispute
from protocol.node.unsaved import Draft
from protocol.node.web import forms, task_steps, visits
from protocol.node.web.cases import context_of
from protocol.node.web.page import actor_of, in_language, may, node_of, page
from protocol.problem import Refused
from protocol.words import COMMAND_NAMES, PARTY_LABELS

TYPED: Final = {
    "name": "姓名或名称", "phone": "电话", "title": "职务", "account": "登录账号", "reason": "理由", "text": "内容", "note": "说明",
}  # fmt: skip
BACK: Final = {
    "people": "/people",
    "invitations": "/nodes",
    "reviews": "/reviews",
    "forks": "/forks",
    "renewals": "/forks",
    "board": "/board",
    "stick": "/stick",
}
OF_CASES: Final = ("cases", "tasks", "seal")
CODED: Final = (
    "ledger", "type", "intake", "risk", "result", "to", "person", "units", "ending", "kept", "satisfied", "decision", "field",
    "party_side", "party_kind", "party_sex", "party_id_type",
)  # fmt: skip
STEP_NAMES: Final = {**COMMAND_NAMES, "erase": "依法删除", "ReassignTask": "改派", "files": COMMAND_NAMES["AddEvidence"]}
OWN_PAGES: Final = {
    "AssignTask": "dispatch", "TransferDispute": "transfer", "RequestTask": "ask", "AddParty": "parties", "CorrectParty": "parties",
    "WithdrawParty": "parties", "DecideReview": "", "erase": "erase", "files": "",
}  # fmt: skip
STEP_OF: Final = {"files": "AddEvidence", "seal": "RemoveDispute"}  # by the last word of its address
ALWAYS: Final = ("AssignTask",)  # its page shows the form also to whom it says that it is not for now
ABOUT: Final = ("item", "visit", "party_id")  # as _drafts.js: where one page has several forms that are sent to one address


def words_of(path: str, form: forms.Typed) -> list[tuple[str, str]]:
    """(label, words) of what people typed into the form that is sent to `path`, to be read and copied; without what was chosen as a code."""
    names = [(name, value) for name, values in form.items() for value in values if value and not (name in CODED and value.isascii())]
    found = [(_label(path, name), value) for name, value in names]
    return [(label, value) for label, value in found if label]


def _label(path: str, name: str) -> str:
    parts = path.strip("/").split("/")
    first, last = parts[0], parts[-1]
    if first not in OF_CASES:
        return TYPED.get(name) or forms.WHAT.get(name, "")
    known = forms.WHAT_IN.get((last, name)) or forms.WHAT.get(name) or TYPED.get(name, "")
    return known or (PARTY_LABELS.get(name.removeprefix("party_"), "") if name.startswith("party_") else "")


async def shown(request: Request, path: str, form: forms.Typed, has_file: bool) -> Response[Any]:
    """path: where it was being sent, inside this node."""
    first, *rest = path.strip("/").split("/")
    back = f"/{first}/{rest[0]}" if first in ("cases", "tasks") and rest else BACK.get(first, "/")
    typed = [(TYPED[name], value) for name, values in form.items() if name in TYPED for value in values if value]
    hidden = [(name, value) for name, values in form.items() for value in values]
    return await page(request, "carried.html", path=path, typed=typed, hidden=hidden, has_file=has_file, back=back)


def about_of(form: forms.Typed) -> str:
    return next((form[name][0] for name in ABOUT if form.get(name)), "")


async def is_offered(request: Request, path: str, about: str, form: forms.Typed) -> bool:
    """Whether a page has the form that is sent to `path`, for whoever is signed in. about: which of several there · form: what was typed."""
    try:
        match path.strip("/").split("/"):
            case ["cases"]:
                if not may(request, "log"):
                    return False
                return not about or (await node_of(request).reads.case(actor_of(request), about)).logged_office in actor_of(request).offices
            case ["cases", subject, step] if step in STEP_NAMES or step in STEP_OF:
                return await _of_case(request, subject, step, about)
            case ["tasks", subject, step] if step in visits.COMMANDS:
                task = await node_of(request).reads.task(actor_of(request), subject)
                if step == "DecideTaskReview" and about not in {review.item for review in task.reviews}:
                    return False
                return step in visits.forms_of(task, actor_of(request), context_of(request))
            case ["tasks", subject, "ask", step]:
                await task_steps.question(request, subject, step, forms.shown(form))  # 改派 goes on after its recall
    except Refused:
        return False
    return True


async def _of_case(request: Request, subject: str, step: str, about: str) -> bool:
    case = await node_of(request).reads.case(actor_of(request), subject)
    if step in ALWAYS:
        return True
    if step == "erase":
        return may(request, "erase")
    if STEP_OF.get(step, step) not in dispute.labels(case, actor_of(request), context_of(request)):
        return False
    if step == "DecideReview":
        return about in {review.item for review in case.reviews}
    if step in ("CorrectParty", "WithdrawParty"):
        return about in case.party_ids and (step == "CorrectParty" or len(case.party_ids) > 1)
    return True


def page_of(path: str, about: str, command: str) -> str:
    """Where the form stands that would be sent there, by that command."""
    match path.strip("/").split("/"):
        case ["cases"]:
            return f"/cases/new?{urlencode({'with': about})}" if about else "/cases/new"
        case ["cases", subject, step]:
            return f"/cases/{subject}/{OWN_PAGES[step]}".rstrip("/") if step in OWN_PAGES else f"/cases/{subject}?step={step}"
        case ["tasks", subject, _]:
            return f"/tasks/{subject}"
        case ["tasks", _, "ask", _]:
            return f"{path}?{urlencode({'command_id': command})}"
    return path


async def left(request: Request, path: str, form: forms.Typed, draft: Draft | None = None) -> Response[Any]:
    """The words of a step that is not offered any more. draft: that holds them, to be thrown away there."""
    first, *rest = path.strip("/").split("/")
    back = "/"
    try:
        if first == "cases" and rest:
            back = f"/cases/{(await node_of(request).reads.case(actor_of(request), rest[0])).id}"
        elif first == "tasks" and rest:
            back = f"/tasks/{(await node_of(request).reads.task(actor_of(request), rest[0])).id}"
    except Refused:
        pass  # it is out of sight
    what = STEP_NAMES.get(rest[-1] if rest else "", "登记纠纷" if not rest else "")
    typed = [(in_language(request, label), value) for label, value in words_of(path, form)]
    return await page(request, "left.html", what=in_language(request, what), typed=typed, draft=draft, back=back)
