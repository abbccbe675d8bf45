"""What was typed into a form and is not saved yet: it outlives the page, the session, the program and a power cut, for its person alone.

    unsaved = Unsaved(journal, clock)
    await unsaved.keep(person, draft)                 in place of what this form of this tab had, for the same office
    await unsaved.of(person, offices)                 newest first
    await unsaved.drop(person, form, tab, office)

Rows of this node's own store, encrypted with it; they never travel and no browser keeps them. A draft whose command was accepted meanwhile
is none any more. What nobody touched for KEPT_DAYS goes, and an erased case takes its drafts along (Writing.erase).
"""

import re
from collections import Counter
from collections.abc import Callable, Collection
from hashlib import sha256
from typing import Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.events import EvidenceAddedBody, body_of
from protocol.node.blobs import shown_name
from protocol.node.journal import Journal
from protocol.node.journal.rows import among, bound, fetch, run
from protocol.node.uploads import command_of
from protocol.problem import OWN_STORE, Refused

KEPT_DAYS: Final = 30  # on which this node ran (protocol/node/days.py)
OF_PERSON_MAX: Final = 40  # beyond it the oldest goes
CONTENT_BYTES_MAX: Final = 200_000
NAME_CHARS_MAX: Final = 300
UPLOAD: Final = "upload"  # a field that names a file which was sent already (web/pieces.py)
UNSENT: Final = "unsent"  # the name of a file that was chosen and is not here
OF_FILES: Final = "/files"  # where a form of files alone is sent
OF_CASES: Final = "/cases"  # a new case, with files
_SUBJECT: Final = re.compile(r"/(?:cases|tasks)/([0-9a-zA-Z_:-]{8,80})/")
_PUT: Final = (
    "insert into draft (id, account, form, subject, content, updated_ms) values (:id, :account, :form, :subject, :content, :updated_ms)"
    " on conflict (id) do update set content = excluded.content, updated_ms = excluded.updated_ms"
)
_OLDEST: Final = "delete from draft where account = :account and id not in (select id from draft where account = :account order by updated_ms desc, id limit :most)"


class Draft(msgspec.Struct, frozen=True):
    """form: address it would be sent to, and what it is about there · tab: of a browser · command: id it would be sent with · unsure: it was sent, and the
    answer never came · turn: of two of the same form and tab the higher one is newer · fields: (name, value) as typed · at_ms: this node's clock
    · office: that it was written for, "" = of an older program, any.
    """

    form: str
    tab: str
    command: str
    fields: list[tuple[str, str]]
    turn: int = 0
    unsure: bool = False
    at_ms: int = 0
    office: str = ""


class Unsaved:
    def __init__(self, journal: Journal, clock: Callable[[], int]) -> None:
        self._journal, self._clock = journal, clock

    async def keep(self, person: str, draft: Draft) -> int:
        """When it was kept, by this node's clock. Raises Refused field_impossible (too long), and what a write raises."""
        now_ms = self._clock()
        content = msgspec.msgpack.encode(msgspec.structs.replace(draft, at_ms=now_ms))
        if len(content) > CONTENT_BYTES_MAX or max(len(draft.form), len(draft.tab), len(draft.command)) > NAME_CHARS_MAX:
            raise Refused("field_impossible", field="account", what="草稿", why="写得太长了，存不下，请先保存")
        about = _SUBJECT.search(draft.form)
        row = {
            "id": _id(person, draft.form, draft.tab, draft.office),
            "account": person,
            "form": draft.form,
            "subject": about[1] if about else "",
        }
        async with self._journal.writing() as w:
            old = await fetch(w.connection, "select content from draft where id = :id", row)
            if old and _read(old[0][0]).turn > draft.turn:
                return now_ms  # it was overtaken on its way
            await _drop(w.connection, person, draft.form, draft.tab, "")  # as an older program kept it
            await run(w.connection, _PUT, [{**row, "content": content, "updated_ms": now_ms}])
            await run(w.connection, _OLDEST, [{"account": person, "most": OF_PERSON_MAX}])
        return now_ms

    async def drop(self, person: str, form: str, tab: str, office: str = "") -> None:
        async with self._journal.writing() as w:
            await _drop(w.connection, person, form, tab, office)

    async def of(self, person: str, offices: Collection[str] = ()) -> list[Draft]:
        """offices: only what may be brought back for them; none = all."""
        rows = await self._journal.rows("draft", "account = :account", {"account": person}, order="updated_ms desc, id")
        drafts = [_read(row["content"]) for row in rows]
        return [draft for draft in drafts if not offices or draft.office in ("", *offices)]

    async def saved(self, person: str, drafts: list[Draft]) -> list[Draft]:
        """Those whose command was accepted; they are forgotten."""
        owed = [(draft, _all_of(draft)) for draft in drafts if draft.command]
        if not owed:
            return []
        commands = [one for _, some in owed for one in some]
        async with self._journal.read() as c:
            rows = await fetch(c, f"select id from command where {among(c, 'id', 'ids')}", {"ids": bound(c, commands)})
        accepted = {row[0] for row in rows}
        done = [draft for draft, some in owed if (some <= accepted if some else await self._has_carried(draft))]
        if done:
            await self._forget(person, done)
        return done

    async def _has_carried(self, draft: Draft) -> bool:
        """Claims that each of the files that the form carried itself is attached: of these a draft has the names alone."""
        about = _SUBJECT.search(draft.form)
        bodies = [(e.command, body_of(e.head.kind, e.body)) for e in (await self._journal.subject(about[1]) if about else ())]
        named = [(command, body.blob) for command, body in bodies if isinstance(body, EvidenceAddedBody)]
        here = Counter(blob.name for command, blob in named if command == command_of(draft.command, blob.address))
        return Counter(shown_name(value) for name, value in draft.fields if name == UNSENT) <= here

    async def _forget(self, person: str, done: list[Draft]) -> None:
        """A store that takes nothing now forgets them another time: the page that asks only reads."""
        try:
            async with self._journal.writing() as w:
                for one in done:
                    await _drop(w.connection, person, one.form, one.tab, one.office)
        except Refused as refused:
            if refused.code not in OWN_STORE:
                raise

    async def tidy(self, before_ms: int) -> None:
        """What was touched last before then, and left lying, goes."""
        if await self._journal.rows("draft", "updated_ms < :before", {"before": before_ms}, limit=1):
            async with self._journal.writing() as w:
                await run(w.connection, "delete from draft where updated_ms < :before", [{"before": before_ms}])


def _all_of(draft: Draft) -> set[str]:
    """The commands whose acceptance says that nothing of the form is left to do: one for each file, and its own where it is more than files.
    None where it is of files alone, and carries them itself."""
    address = draft.form.partition(" ")[0]
    is_files = address.endswith(OF_FILES)
    if not is_files and address != OF_CASES:
        return {draft.command}
    files = {command_of(draft.command, _sum(value)) for name, value in draft.fields if name == UPLOAD}
    if is_files and not files and any(name == UNSENT for name, _ in draft.fields):
        return set()
    return files if is_files and files else {draft.command, *files}


def _sum(upload: str) -> str:
    try:
        return str(msgspec.json.decode(upload)["sum"])
    except (msgspec.MsgspecError, UnicodeEncodeError, KeyError, TypeError):
        return ""


async def _drop(c: AsyncConnection, person: str, form: str, tab: str, office: str) -> None:
    ids = {_id(person, form, tab, office), _id(person, form, tab, "")}
    await run(c, "delete from draft where id = :id", [{"id": id_} for id_ in ids])


def _id(person: str, form: str, tab: str, office: str) -> str:
    return sha256("\0".join((person, form, tab, *([office] if office else []))).encode()).hexdigest()[:32]


def _read(content: bytes) -> Draft:
    return msgspec.msgpack.decode(bytes(content), type=Draft)
