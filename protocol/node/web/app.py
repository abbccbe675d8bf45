"""One door for both programs: `make_app(node, routes, templates, dist, home)` gives the Litestar application.

It holds what no page may forget: the strict content policy, the refusal of writes from other sites, the session,
refusals as page or JSON, hashed static files, the stream, and the pages that both programs share (sign-in, list, case,
attachments, link). A program brings its own routes and templates; a template of the same name wins over the shared one,
so `_nav.html` of the program is its menu.
"""

import asyncio
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache, partial
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemBytecodeCache, FileSystemLoader
from jinja2.bccache import Bucket
from litestar import Litestar, Request, Response
from litestar.config.compression import CompressionConfig
from litestar.datastructures import CacheControlHeader, State
from litestar.exceptions import HTTPException
from litestar.static_files import create_static_files_router

from protocol.node.version import VERSION
from protocol.node.web import (
    agenda,
    asking,
    cases,
    erasing,
    files,
    guides,
    hints,
    histories,
    lanes,
    link,
    lists,
    losses,
    parties,
    people,
    proofs,
    recover,
    register,
    reviews,
    sealing_case,
    session,
    statistics,
    sticks,
    stream,
    today,
    transfers,
    unsaved,
    waiting,
    watch,
    words,
)
from protocol.node.web.bars import bars
from protocol.node.web.english import Catalogue
from protocol.node.web.page import BODY_BYTES_MAX, POLICY, failed, refused
from protocol.node.web.stream import View
from protocol.problem import Refused

HERE: Final = Path(__file__).parent
PAGES: Final = (
    waiting,
    today,
    agenda,
    lists,
    statistics,
    register,
    hints,
    guides,
    unsaved,
    cases,
    parties,
    erasing,
    sealing_case,
    people,
    proofs,
    recover,
    asking,
    transfers,
    files,
    link,
    lanes,
    losses,
    reviews,
    sticks,
    histories,
    stream,
    watch,
)  # in this order: the first that knows an address answers
HOMES: Final = {"field": "/task", "admin": "/link"}
YEAR_S: Final = 31_536_000


class Assets:
    """`asset("desk.js")` → the address of the hashed file. A bundle built anew is used from the next page on."""

    def __init__(self, manifest: Path) -> None:
        self._manifest, self._built_ns = manifest, 0
        self._names: dict[str, str] = {}

    def __call__(self, name: str, language: str = "") -> str:
        """language: the twin of a bundle that says its words in it, where there is one."""
        built_ns = self._manifest.stat().st_mtime_ns if self._manifest.exists() else 0
        if built_ns != self._built_ns:
            self._names, self._built_ns = json.loads(self._manifest.read_text("utf-8"))["files"], built_ns
        twin = f"{language}-{name}" if language else name
        return f"/static/{self._names.get(twin) or self._names.get(name, name)}"


def environment_of(node: Any, templates: Sequence[Path], dist: Path, home: str) -> Environment:
    """Jinja with our filters and names; `asset('desk.js')` is the hashed file of the bundle."""
    environment = Environment(
        loader=FileSystemLoader([*templates, HERE / "templates"]), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    known: dict[str, Any] = {"asset": Assets(dist / "manifest.json"), "home": home, "node": node, "files_max": files.FILES_MAX}
    environment.globals.update(known)
    environment.bytecode_cache = compiled(getattr(node, "folder", None)) or environment.bytecode_cache
    words.teach(environment, node)
    environment.filters |= {"rate": statistics.rate_words, "bars": bars}
    return environment


class Compiled(FileSystemBytecodeCache):
    """Templates as compiled once on this machine: a start that finds them draws its first pages in half the time. A full disk costs only that."""

    def dump_bytecode(self, bucket: Bucket) -> None:
        with suppress(OSError):
            super().dump_bytecode(bucket)


def compiled(folder: Path | None) -> Compiled | None:
    """In `folder`/pages, of this very program: what an older one left is thrown away. None: there is no folder, or it takes nothing."""
    if folder is None or not folder.is_dir():
        return None
    newest_ns = max(file.stat().st_mtime_ns for file in HERE.rglob("*.py"))
    stamp, where = sha256(f"{VERSION} {newest_ns}".encode()).hexdigest()[:12], folder / "pages"
    try:
        where.mkdir(mode=0o700, exist_ok=True)
        for old in where.iterdir():
            if not old.name.endswith(stamp):
                old.unlink()
    except OSError:
        return None
    return Compiled(str(where), f"%s.{stamp}")


@lru_cache(8)
def catalogue_of(*templates: Path) -> Catalogue:
    """The English of the protocol, of the shared pages and of the program whose template folders these are. Reading it takes 20 ms."""
    shared = [HERE.parents[1] / "english.toml", *sorted((HERE / "english").glob("*.toml"))]
    return Catalogue([*shared, *(file for folder in templates if (file := folder.parent / "english.toml").exists())])


async def _before(request: Request) -> Response[Any] | None:
    return await waiting.before(request) or await session.before(request)


def make_app(
    node: Any,
    routes: list,
    templates: list[Path],
    dist: Path,
    home: str,
    *,
    views: Mapping[str, View] | None = None,
    homes: Mapping[str, str] = HOMES,
    new_id: Callable[[], str] = lambda: secrets.token_hex(16),
) -> Litestar:
    """The application of one node.

    routes: the program's own handlers · templates: its template folders, searched before the shared one · dist: its
    bundle (manifest.json and hashed files) · home: path of the page behind `/` for whoever may see cases · views: what
    `GET /stream?view=NAME` renders, by name, besides the shared ones (frame, list, case) · homes: power → page behind `/`
    for whoever may not, first match · new_id: makes the command
    ids that go out with the forms.
    """
    application = routed(routes, dist, home, homes)
    environment = environment_of(node, templates, dist, home)
    state = State({"node": node, "environment": environment, "home": home, "new_id": new_id, "link_state": link.state, "channels": {}})
    state.catalogue, state.english = partial(catalogue_of, *templates), None  # not before somebody asks for English
    state.views = {**stream.VIEWS, **today.VIEWS, **(views or {})}
    application.state = state
    return application


def routed(routes: list, dist: Path, home: str, homes: Mapping[str, str]) -> Litestar:
    """Every page, of no node yet."""
    shared = [*session.routes(home, homes), *(route for module in PAGES for route in module.routes())]
    dist.mkdir(parents=True, exist_ok=True)
    static = create_static_files_router(
        "/static", [dist], opt={"public": "file"}, cache_control=CacheControlHeader(max_age=YEAR_S, immutable=True)
    )
    return Litestar(
        [*shared, static, *routes],
        before_request=_before,
        after_response=watch.answered,
        exception_handlers={Refused: refused, HTTPException: failed, Exception: failed},
        response_headers=POLICY,
        compression_config=CompressionConfig(backend="gzip", gzip_compress_level=6, exclude=["/files/", "/static/"]),
        request_max_body_size=BODY_BYTES_MAX,
        logging_config=None,  # refusals are answers, no faults; `failed` writes down what is one
        openapi_config=None,
    )


async def read_templates(application: Litestar) -> None:
    """Every template read, and where this program never was before compiled, beside what else goes on: 1.6 s of a processor then, 0.1 s later
    (half of what the first page after a start took)."""
    templates: Environment = application.state.environment
    for name in templates.list_templates():
        await asyncio.to_thread(templates.get_template, name)
