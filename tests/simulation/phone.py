"""A cadre's phone as `outbox.js` behaves: what was done is kept under a stored counter, sent in that order, and let go of only when its
node says that a second one has it. It speaks with the handlers of the phone's pages themselves (`protocol.node.web.phone.routes`).

    phone = Phone(person, home)
    await phone.step(hand)       something the cadre or the phone does now: look, act, sync, lose its storage, have a wrong clock
    await phone.sync(hand)       all that a phone does when it has a signal
"""

import json
from contextlib import suppress
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from litestar.datastructures import UploadFile

from protocol.calendar import DAY_MS
from protocol.commands import Command
from protocol.events import Actor
from protocol.node.web.phone import routes
from protocol.problem import Refused
from tests.simulation.acts_case import PNG
from tests.simulation.hand import Hand, Nothing, Row
from tests.simulation.record import Form, LetGo

YEAR_MS = 365 * DAY_MS
CROSSING = ("ReportTask", "ReportTask", "DeclineTask", "ConfirmTask")
LATER = (401, 408, 429)  # no answer to what was asked: it stays where it is in the order


@dataclass
class Action:
    """refused: the sentence shown beside it; what follows on the same task waits."""

    n: int
    person: str
    command: dict[str, Any]
    file: bytes = b""
    sent: bool = False
    refused: str = ""

    @property
    def id(self) -> str:
        return self.command["id"]

    @property
    def task(self) -> str:
        return self.command["task"]


class _Named(Command):
    """A command of which only the id is known here."""


@dataclass
class Phone:
    """kept: the outbox · lost: ids of what was never sent when the storage was evicted · skew_ms: how far its clock is ahead."""

    person: str
    home: str
    skew_ms: int = 0
    counter: int = 0
    has_signal: bool = True
    kept: list[Action] = field(default_factory=list)
    tasks: dict[str, dict[str, Any]] = field(default_factory=dict)
    flow: dict[str, Any] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)

    @property
    def unsent(self) -> int:
        return sum(not action.sent for action in self.kept)

    async def step(self, hand: Hand) -> str:
        """One moment with the phone in the hand. A word for the trace. Raises Nothing when there is nothing on it."""
        roll = hand.chance.random()
        if roll < 0.04 and self.tasks:
            return self._evict()
        if roll < 0.08:
            self.skew_ms = hand.chance.choice((0, 0, -YEAR_MS, YEAR_MS, -DAY_MS, 90_000))
        self.has_signal = hand.odds(0.75)
        if self.has_signal and not self._open():
            await self._ask(hand, await self._signed_in(hand))
        if not self._open() and not self.kept:
            raise Nothing
        done = [self._act(hand) for _ in range(hand.chance.randint(1, 3)) if self._open()]
        said = await self.sync(hand) if self.has_signal else "no signal"
        return f"{', '.join(done) or 'looked'}: {said}"

    def _open(self) -> list[dict[str, Any]]:
        return [task for _, task in sorted(self.tasks.items()) if task["open"]]

    def _evict(self) -> str:
        self.lost += [action.id for action in self.kept if not action.sent]
        self.kept, self.tasks, self.flow, self.counter = [], {}, {}, 0
        return "storage evicted"

    def _act(self, hand: Hand) -> str:
        """接单, 到场, 反馈, 谢绝 or a photo, without asking anybody: by the task and the rules as last shown."""
        task = hand.one(self._open())
        offered = [step["kind"] for step in self.flow["steps"].get(task["status"], [])]
        if task["status"] == "sent" and hand.odds(0.15):
            offered = ["ReportTask"]
        if task["status"] in ("arrived", "confirmed") and hand.odds(0.25):
            offered = ["AddTaskEvidence"]
        return self._done(hand, task, hand.one(offered if len(offered) == 1 or hand.odds(0.1) else offered[:1]))

    def act_unheard(self, hand: Hand, task: str, kind: str) -> None:
        """Where there is no signal. Nothing happens when the phone does not know the task, or no more that it can be done."""
        if any(one["id"] == task for one in self._open()):
            self.has_signal = False
            self._done(hand, self.tasks[task], kind)

    def _done(self, hand: Hand, task: dict[str, Any], kind: str) -> str:
        command: dict[str, Any] = {"kind": kind, "id": hand.new_id(), "task": task["id"], "at_ms": self.now_ms(hand)}
        if kind == "DeclineTask":
            command["reason"] = hand.text()[:90]
        if kind == "ReportTask":
            command |= {"result": hand.one(self.flow["results"])["code"], "words": hand.text()}
        if kind == "ArriveTask" and hand.odds(0.5):
            command |= {"latitude": 30.6, "longitude": 119.6, "accuracy_m": 20.0}
        self._keep(command, PNG + hand.chance.randbytes(300) if kind == "AddTaskEvidence" else b"")
        status = self.flow["moves"].get(kind, {}).get(task["status"], task["status"])
        self.tasks[task["id"]] = {**task, "status": status, "open": status in self.flow["steps"]}
        return kind

    def now_ms(self, hand: Hand) -> int:
        return max(1, hand.now_ms + self.skew_ms)

    def _keep(self, command: dict[str, Any], file: bytes) -> None:
        self.counter += 1
        self.kept.append(Action(self.counter, self.person, command, file))

    # ── with a signal ──

    async def sync(self, hand: Hand) -> str:
        """Sends what waits in its order, then asks what is new and what may be forgotten."""
        actor = await self._signed_in(hand)
        sent = 0
        for action in list(self.kept):
            if action.sent or action.refused or self._is_blocked(action):
                continue
            answer = await self._post(hand, actor, action)
            if answer is None:
                break
            sent += action.sent
        await self._ask(hand, actor)
        return f"synced {sent}, {len(self.kept)} kept"

    def _is_blocked(self, action: Action) -> bool:
        return any(other.refused and other.task == action.task and other.n < action.n for other in self.kept)

    async def _signed_in(self, hand: Hand) -> Actor:
        """Raises Nothing when the post has ended: its session has, too."""
        found = [a for a in await hand.people() if a.person == self.person and "field" in a.powers]
        return hand.one(found)

    async def _post(self, hand: Hand, actor: Actor, action: Action) -> bool | None:
        """True: answered. None: no answer that settles it, so nothing behind it may go."""
        form: dict[str, Any] = {"person": action.person, "sent_ms": str(self.now_ms(hand)), "command": json.dumps(action.command)}
        handler = routes.command.fn
        if action.file:
            form["file"] = UploadFile(content_type="image/png", filename="现场.png", file_data=action.file)
            handler = routes.file.fn
        noted = Form(hand.id, _Named(id=action.id), actor, action.command["at_ms"], None, action.command["kind"])
        try:
            response = await handler(_request(hand, actor, form=form))
        except Refused as refused:
            if refused.status in LATER or refused.status >= 500:
                return None
            action.refused = refused.sentence
            hand.record.refuse(noted, refused.code)
            return True
        action.sent = True
        hand.record.answered(hand.node, noted)
        if task := json.loads(response.content)["task"]:
            self.tasks[task["id"]] = task
        return True

    async def _ask(self, hand: Hand, actor: Actor) -> None:
        held = [action for action in self.kept if action.sent]
        response = await routes.mine.fn(_request(hand, actor, kept=",".join(action.id for action in held)))
        said = json.loads(response.content)
        self.flow, self.tasks = said["flow"], {task["id"]: task for task in said["tasks"]}
        for action in held:
            mark = said["marks"].get(action.id, {"here": True, "safe": False})
            if mark["safe"]:
                keys = tuple(e.key for e in await hand.node.journal.command(action.id) if e.sort != "lane")
                hand.record.let_it_go(hand.node, LetGo(hand.id, self.person, action.id, keys))
                self.kept = [one for one in self.kept if one is not action]  # another sync of this phone may be under way
            elif not mark["here"]:
                action.sent = False  # its node lost it: it goes again, under the same id

    def give_up(self) -> None:
        """The cadre has read the refusals: those steps go, and what waited behind them may be tried."""
        self.kept = [action for action in self.kept if not action.refused]


def _request(hand: Hand, actor: Actor, form: dict[str, Any] | None = None, kept: str = "") -> Any:
    """What the handlers read of a request: the node, who is signed in, the form."""

    async def read() -> dict[str, Any]:
        return form or {}

    state, app = SimpleNamespace(actor=actor), SimpleNamespace(state=SimpleNamespace(node=hand.node))
    return SimpleNamespace(app=app, state=state, form=read, query_params={"kept": kept}, cookies={})


async def use(hand: Hand) -> str:
    """Somebody whose phone has its home here uses it. Raises Nothing."""
    rows = await hand.rows("post_row", "ended = 0 and home = :home", {"home": hand.id}, "post, subject")
    kinds = {kind for kind, row in hand.tables().posts.items() if "field" in row.powers}
    person = hand.one(sorted({row["subject"] for row in rows if row["kind"] in kinds}))
    phone = hand.record.phones.setdefault(person, Phone(person, hand.id))
    if hand.odds(0.2):
        phone.give_up()
    return await phone.step(hand)


async def act_unheard(hand: Hand, task: Row) -> None:
    """Whoever was sent is there and reports, and it stays in his phone for now. A phone of another node may not have heard of the task, and
    its node will not have heard of what is decided here: there less than a report may be taken, too."""
    phone = hand.record.phones.get(task["cadre"])
    if task["home"] == hand.id:
        phone = hand.record.phones.setdefault(task["cadre"], phone or Phone(task["cadre"], hand.id))
        if task["subject"] not in phone.tasks:
            with suppress(Nothing):  # he has left his post
                await phone.sync(hand)
    if phone is not None:
        phone.act_unheard(hand, task["subject"], "ReportTask" if task["home"] == hand.id else hand.one(CROSSING))


async def settle(hand: Hand) -> None:
    """After the world has healed: every phone of this node sends what it still has, until nothing waits."""
    for person in sorted(hand.record.phones):
        phone = hand.record.phones[person]
        if phone.home != hand.id:
            continue
        for _ in range(4):
            phone.give_up()
            try:
                await phone.sync(hand)
            except Nothing:
                break


__all__ = ["Action", "Phone", "act_unheard", "settle", "use"]
