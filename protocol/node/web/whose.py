"""Whose page it is that asks: a page of the desk was opened for one person, by one post. Somebody else may have signed in at this computer since,
or the same person acts by another post, for another office, in another tab.

Every page says for whom it was made with whatever it sends: scripts and htmx in a header, a form in a hidden field, which is all there is
without scripts. A page of an older program says nothing and is served as before. A program that sends JSON says nothing either.
"""

import json
from typing import Any, Final, NamedTuple

from litestar import Request
from litestar.enums import RequestEncodingType

from protocol.events import Actor
from protocol.node.web.forms import PAGE_PERSON, PAGE_POST, Typed
from protocol.node.web.page import COOKIE, node_of
from protocol.problem import Refused

HEADER, POST_HEADER = "yidi-person", "yidi-post"
FORMS: Final = (RequestEncodingType.URL_ENCODED, RequestEncodingType.MULTI_PART)


class Whose(NamedTuple):
    """ "" = the page does not say."""

    person: str
    post: str


async def page_of(request: Request) -> Whose:
    """For whom the page was made that sends this."""
    said = Whose(request.headers.get(HEADER, ""), request.headers.get(POST_HEADER, ""))
    if said.person or request.method != "POST" or request.content_type[0] not in FORMS:
        return said
    form = await request.form()
    person, post = (value if isinstance(value := form.get(name, ""), str) else "" for name in (PAGE_PERSON, PAGE_POST))
    return Whose(person, post)


async def refusal_of(request: Request, code: str, theirs: str, actor: Actor) -> Refused:
    """code: page_of_another, form_of_another, sign_in_of_another · theirs: the person whose page it is · actor: who is signed in, or would be."""
    name = await node_of(request).reads.person_name(theirs)
    return Refused(code, theirs=name or "别人", mine=actor.name or "别人")


async def post_refusal_of(request: Request, code: str, theirs: str, actor: Actor) -> Refused:
    """code: page_of_post, form_of_post · theirs: the post by which the page was opened · actor: acts by another one of the same person."""
    node = node_of(request)
    posts = {
        post.post: f"{node.tables().office_name(post.office)}{post.title or post.name}"
        for post in await node.people.posts(request.cookies.get(COOKIE, ""))
    }
    return Refused(code, theirs=posts.get(theirs, "已经结束"), mine=posts.get(actor.post, "别的"))


def carry_of(path: str, form: Typed, has_file: bool, page: Whose) -> str:
    """What was being sent, for a sign-in page to hold until its person has signed in."""
    return json.dumps({"path": path, "form": form, "file": has_file, **page._asdict()}, ensure_ascii=False)


def carried(carry: str) -> dict[str, Any]:
    """path, form, file, person, post; empty for what was cut short or tampered with."""
    try:
        kept = json.loads(carry)
        form = {str(name): [str(value) for value in values] for name, values in kept["form"].items()}
        page = {name: str(kept.get(name, "")) for name in Whose._fields}
        return {"path": str(kept["path"]), "form": form, "file": kept.get("file") is True, **page}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}
