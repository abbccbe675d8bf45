"""A person at a page: httpx straight into the Litestar application of a rig's node, in the same loop as its journal."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html import unescape
from typing import Any

import httpx

from tests.edge.rig import PASSWORD, Rig

ACCOUNTS = {"village": "wangfang", "town": "shen", "root": "fang", "again": "wangfang"}
JSON = {"Accept": "application/json"}
HTMX = {"HX-Request": "true"}


@asynccontextmanager
async def at(rig: Rig, kind: str, account: str = "") -> AsyncIterator[httpx.AsyncClient]:
    """A browser at `kind`'s pages; account "-" = nobody signed in."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(rig.app(kind)), base_url="http://desk") as client:
        if account != "-":
            signed_in = await client.post("/sign-in", data={"name": account or ACCOUNTS[kind], "password": PASSWORD})
            assert signed_in.status_code == 303, signed_in.text
        yield client


def form_of(page: str, id_: str) -> dict[str, Any]:
    """What a browser would send from a form as it stands: names with one value, or with a list of them."""
    found = re.search(rf'<form id="{id_}".*?</form>', page, re.DOTALL)
    assert found, f"no form {id_}"
    form: dict[str, Any] = {}
    for name, value in _values(found[0]):
        form[name] = value if name not in form else [*(form[name] if isinstance(form[name], list) else [form[name]]), value]
    return form


def section(page: str, id_: str) -> str:
    """One <section> of a page, by its id."""
    found = re.search(rf'<section [^>]*id="{id_}".*?</section>', page, re.DOTALL)
    assert found, f"no section {id_}"
    return found[0]


def _values(text: str) -> list[tuple[str, str]]:
    values = []
    for tag in re.findall(r"<input[^>]*>", text):
        about = dict(re.findall(r'([\w-]+)="([^"]*)"', tag))
        kind, checked = about.get("type", "text"), re.search(r"\schecked", tag)
        if "name" in about and kind != "file" and (kind not in ("radio", "checkbox") or checked):
            values.append((about["name"], unescape(about.get("value", ""))))
    for name, inner in re.findall(r'<textarea[^>]*name="(\w+)"[^>]*>(.*?)</textarea>', text, re.DOTALL):
        values.append((name, unescape(inner)))
    for name, inner in re.findall(r'<select[^>]*name="(\w+)"[^>]*>(.*?)</select>', text, re.DOTALL):
        chosen = re.search(r'<option value="([^"]*)"[^>]*\sselected', inner) or re.search(r'<option value="([^"]*)"', inner)
        values.append((name, unescape(chosen[1]) if chosen else ""))
    return values
