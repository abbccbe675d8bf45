"""The links of a page of figures, each held against the list that it leads to."""

import re
from collections.abc import Awaitable, Callable
from html import unescape
from typing import Final
from urllib.parse import parse_qsl, urlencode

LINK: Final = re.compile(r'<a href="(/cases\?[^"]*)">([^<]*\d[^<]*)<')
RATES: Final = {"resolved": "accepted", "on_time": "timed"}  # kind → that of which it is a share


async def check_links(page: str, total: Callable[[str], Awaitable[int]]) -> list[tuple[str, str]]:
    """Each number of cases is that of the list behind it; each rate what its list is of all of them; amounts and months have no number to
    hold against. total: of the list at an address. Returns (address, words) of all of them.
    """
    links = sorted({(unescape(to), words.strip()) for to, words in LINK.findall(page)})
    for to, words in links:
        found, number = await total(to), words.removeprefix("上期 ")
        if number.endswith("%"):
            asked = dict(parse_qsl(to.partition("?")[2]))
            of = await total("/cases?" + urlencode(asked | {"kind": RATES[asked["kind"]]}))
            assert number == f"{min(found / of, 1) * 100:.1f}%", f"{to}: {found} of {of}, the page says {words}"
        elif "元" in number:
            assert found, to
        else:
            assert found == int(re.sub(r"\D", "", number)), f"{to}: {found}, the page says {words}"
    return links
