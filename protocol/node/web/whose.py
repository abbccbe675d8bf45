"""Whose page it is that asks: a page of the desk was opened for one person, and somebody else may have signed in at this computer since.

Every page says for whom it was made with whatever it sends: scripts and htmx in a header, a form in a hidden field, which is all there is
without scripts. A page of an older program says nothing and is served as before. A program that sends JSON says nothing either.
"""

import json
from typing import Any, Final

from litestar import Request
from litestar.enums import RequestEncodingType

from protocol.events import Actor
from protocol.node.web.forms import PAGE_PERSON, Typed
from protocol.node.web.page import node_of
from protocol.problem import Refused

HEADER: Final = "yidi-person"
FORMS: Final = (RequestEncodingType.URL_ENCODED, RequestEncodingType.MULTI_PART)


async def page_of(request: Request) -> str:
    """The person whose page sends this; "" where it does not say."""
    said = request.headers.get(HEADER, "")
    if said or request.method != "POST" or request.content_type[0] not in FORMS:
        return said
    field = (await request.form()).get(PAGE_PERSON, "")
    return field if isinstance(field, str) else ""


async def refusal_of(request: Request, code: str, theirs: str, actor: Actor) -> Refused:
    """code: page_of_another, form_of_another, sign_in_of_another · theirs: the person whose page it is · actor: who is signed in, or would be."""
    name = await node_of(request).reads.person_name(theirs)
    return Refused(code, theirs=name or "别人", mine=actor.name or "别人")


def carry_of(path: str, form: Typed, has_file: bool, person: str) -> str:
    """What was being sent, for a sign-in page to hold until its person has signed in. person: whose it is, "" = not said."""
    return json.dumps({"path": path, "form": form, "file": has_file, "person": person}, ensure_ascii=False)


def carried(carry: str) -> dict[str, Any]:
    """path, form, file, person; empty for what was cut short or tampered with."""
    try:
        kept = json.loads(carry)
        form = {str(name): [str(value) for value in values] for name, values in kept["form"].items()}
        return {"path": str(kept["path"]), "form": form, "file": kept.get("file") is True, "person": str(kept.get("person", ""))}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}
