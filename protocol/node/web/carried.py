"""What was being sent when the session had ended, of a page that has no way of its own to fill its form again: it is shown, and one press sends it.

Nothing is written by showing it. A chosen file did not arrive: then the way back to its page is all there is, beside what was typed.
"""

from typing import Any, Final

from litestar import Request, Response

from protocol.node.web import forms
from protocol.node.web.page import page

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
}


def words_of(form: forms.Typed) -> list[tuple[str, str]]:
    """(label, words) of what people typed, to be read and copied; a field that has no name of its own is 内容."""
    found = [(TYPED.get(name) or forms.WHAT.get(name), value) for name, values in form.items() for value in values]
    return [(label, value) for label, value in found if label and value]


async def shown(request: Request, path: str, form: forms.Typed, has_file: bool) -> Response[Any]:
    """path: where it was being sent, inside this node."""
    first, *rest = path.strip("/").split("/")
    back = f"/{first}/{rest[0]}" if first in ("cases", "tasks") and rest else BACK.get(first, "/")
    typed = [(TYPED[name], value) for name, values in form.items() if name in TYPED for value in values if value]
    hidden = [(name, value) for name, values in form.items() for value in values]
    return await page(request, "carried.html", path=path, typed=typed, hidden=hidden, has_file=has_file, back=back)
