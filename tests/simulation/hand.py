"""One person's hands at one node for the length of one act: who is there, what lies on the desk, and the one door.

Whatever is chosen is chosen by `chance` out of lists in a fixed order; nothing here knows a clock of its own. People act through
`node.desk.submit` alone and know what the node's pages could show them.
"""

import random
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from protocol import certificate as certificates
from protocol import place
from protocol.access import CASE_POWERS
from protocol.calendar import DAY_MS, local_date
from protocol.case import COMING
from protocol.commands import Command
from protocol.dispute import BY_COMMAND, NONE, PENDING
from protocol.events import Actor
from protocol.node.desk import Outcome
from protocol.problem import Refused
from protocol.tables import Tables
from tests.simulation.record import Form, Record

ROWS_MAX = 60
TALKED_OF = 0.7
WORDS = (
    "东邻的围墙占了滴水巷", "田埂往东挪了半尺", "工钱欠了三个月", "楼上漏水泡了柜子", "果树的枝伸过了界", "鱼塘的水被放干了",
    "彩礼退多少说不拢", "承包地的四至记错了", "宅基地的出路被堵", "借条写了没有还",
)  # fmt: skip
NAMES = ("叶根土", "叶根水", "方志林", "沈阿妹", "周敏", "王大有", "李桂英", "陈金生", "吴小毛", "郑月琴")
Row = dict[str, Any]
T = TypeVar("T")


class Nothing(Exception):
    """There is nothing here for this act."""


class Hand:
    def __init__(self, node: Any, chance: random.Random, record: Record) -> None:
        self.node, self.chance, self.record = node, chance, record
        self._people: list[Actor] | None = None

    @property
    def id(self) -> str:
        return self.node.desk.signer.node

    @property
    def now_ms(self) -> int:
        return self.node.clock()

    def tables(self) -> Tables:
        return self.node.desk.shelf()

    # ── choosing ──

    def one(self, of: Iterable[T]) -> T:
        """Raises Nothing."""
        some = list(of)
        if not some:
            raise Nothing
        return some[self.chance.randrange(len(some))]

    def talked_of(self, of: Sequence[T], subject: Callable[[T], str]) -> T:
        """Mostly one that somebody, here or elsewhere, has just acted on: that is how people get in one another's way. Raises Nothing."""
        recent = [one for one in of if subject(one) in self.record.recent]
        return self.one(recent if recent and self.odds(TALKED_OF) else of)

    def odds(self, share: float) -> bool:
        return self.chance.random() < share

    def text(self) -> str:
        return f"{self.one(WORDS)}（{self.chance.getrandbits(20):05x}）"

    def new_id(self) -> str:
        return f"{self.chance.getrandbits(128):032x}"

    def day(self, first: int, last: int) -> str:
        """An ISO date so many days from now."""
        return local_date(self.now_ms + self.chance.randint(first, last) * DAY_MS).isoformat()

    # ── people ──

    async def people(self) -> list[Actor]:
        """Everybody whom a page of this node would let in, with each of their posts."""
        if self._people is None:
            rows = await self.node.journal.rows("post_row", "ended = 0", order="post, subject")
            mine, tables = self.node.desk.signer.certificate, self.tables()
            self._people = [
                Actor(r["subject"], r["post"], r["ledger"], tables.post_powers(r["kind"]), "", tables.places_merged_into(r["ledger"]))
                for r in rows
                if certificates.serves(mine, r["ledger"])
            ]
        return self._people

    async def who(self, power: str, office: str = "") -> list[Actor]:
        """Raises Nothing."""
        found = [a for a in await self.people() if power in a.powers and (not office or office in a.offices)]
        if not found:
            raise Nothing
        return found

    async def somebody(self, power: str = "") -> Actor:
        """Raises Nothing."""
        return self.one([a for a in await self.people() if (power in a.powers if power else a.powers & CASE_POWERS)])

    # ── what lies on the desk ──

    async def rows(self, table: str, where: str, values: Row | None = None, order: str = "subject") -> list[Row]:
        return await self.node.journal.rows(table, where, values or {}, order, ROWS_MAX)

    async def case_for(self, command: str, column: str = "holder", fits: Callable[[Row], bool] | None = None) -> tuple[Row, Actor]:
        """A case that the table of rules lets somebody here do `command` with, and who. column: whose office the rules name, or ""
        for an office above the holder. Raises Nothing."""
        row = BY_COMMAND[command]
        actors = await self.who(row.power)
        offer = {NONE: "offer_to is null and transfer_to is null", PENDING: "offer_to > ''"}.get(row.offer, "1 = 1")
        statuses = [*row.moves, COMING] if row.offer == PENDING else row.moves  # what comes by 转办 is listed as such
        where, values = f"{_among('status', statuses)} and {offer}", {}
        if column:
            offices = dict.fromkeys(office for a in actors for office in a.offices)
            where, values = f"{where} and {_among(column, offices)}", _named(offices)
        found = []
        for case in await self.rows("case_row", where, values):
            able = [a for a in actors if (case[column] in a.offices if column else _is_above(a, case["holder"]))]
            if able and (fits is None or fits(case)):
                found.append((case, able))
        case, able = self.talked_of(found, lambda pair: pair[0]["subject"])
        return case, self.one(able)

    async def any_case(self, power: str = "") -> tuple[Row, Actor]:
        """Whatever case stands here and whoever is at hand, allowed or not. Raises Nothing."""
        actor = await self.somebody(power)
        return self.talked_of(await self.rows("case_row", "1 = 1"), lambda row: row["subject"]), actor

    # ── the one door ──

    async def say(self, command: Command, actor: Actor, at_ms: int | None = None, offset_ms: int | None = None) -> Outcome:
        """Raises Refused."""
        return await self.send(Form(self.id, command, actor, at_ms, offset_ms))

    async def send(self, form: Form) -> Outcome:
        """Raises Refused."""
        self.record.typed(form)
        try:
            outcome = await self.node.desk.submit(form.command, form.actor, form.at_ms, form.offset_ms)
        except Refused as refused:
            self.record.refuse(form, refused.code)
            raise
        self.record.acknowledge(self.node, form, outcome)
        return outcome


def _is_above(actor: Actor, holder: str) -> bool:
    return any(holder != office and place.within(holder, office) for office in actor.offices)


def _among(column: str, values: Iterable[str]) -> str:
    """A condition of the program's own words (statuses), or of named values when the column is an office."""
    some = list(values)
    if column == "status":
        return "status in (" + ", ".join(f"'{value}'" for value in some) + ")"
    return f"{column} in (" + ", ".join(f":o{n}" for n in range(len(some))) + ")"


def _named(values: Iterable[str]) -> Row:
    return {f"o{n}": value for n, value in enumerate(values)}
