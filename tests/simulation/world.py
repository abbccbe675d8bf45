"""One run's county: its sites on one wire, and what each step of a plan does to them.

    world = World(plan, founded)
    await world.suffer()        the plan, from its first step to its last
    await world.heal()          everything that can end ends; whoever was put out is let in again under a new identity
    world.lost                  acknowledged entries that no disk held any more when the last of them was lost

`loss` is exact: at each moment at which a disk goes or turns old, what was acknowledged and stood there alone is written down. Whatever
else was acknowledged must be everywhere in the end.

| step | what happens |
|---|---|
| act | somebody at this node does something (acts.py) |
| kill | the program dies, at once or after so many of its steps; power: the machine too; after for_s it starts again |
| cut | a way is cut, both ways, up or down · server: a NATS server is down · weather: messages are lost, doubled, slow, shuffled |
| clock | the node's clock jumps · full: its disk takes no more · old: it runs a program of an earlier release until for_s has passed |
| restore | a backup is put back for_s later, as `yidi restore` does · rollback: the whole folder as it was, and nobody says so ·
  forget: the database alone is old, the mark beside it is not |
| clone | the folder is copied to another computer and both go on · lose: the disk is gone, the place joins again with a new one ·
  revoke: it is put out and goes on all the same |
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from random import Random
from typing import Any, Final

import msgspec

from edge.enrol import take_in
from protocol.node.gate import note_restored
from protocol.node.machine import Machine
from protocol.node.node import Node
from protocol.place import COMMON
from protocol.problem import Refused
from tests.simulation import acts
from tests.simulation.founding import Authority, Founded, join, keys_of
from tests.simulation.plan import Plan, Step
from tests.simulation.site import Entry, Kept, MemoryNotes, Seat, Site, signing_key
from tests.simulation.wire import COUNTY, Weather, Wire

TRIES_MAX: Final = 12
ENROLS_S_MAX: Final = 40.0
WEATHERS: Final = {
    "loss": Weather(loss=0.25),
    "twice": Weather(twice=0.3),
    "slow": Weather(delay_s=(0.01, 0.6)),
    "shuffled": Weather(delay_s=(0.001, 0.3), shuffled=True),
    "all": Weather(loss=0.12, twice=0.12, delay_s=(0.001, 0.4), shuffled=True),
}


async def _taken_in(node: Node, packed: tuple[bytes, ...]) -> None:
    """Whoever joins is told when the disk is full; the wire brings it all the same."""
    try:
        await take_in(node, packed)
    except Refused as refused:
        if refused.code != "disk_full":
            raise


class World:
    """sites: by seat; copies: folders that were cloned, still running; thrown: sites that are out of the county."""

    def __init__(self, plan: Plan, founded: Founded) -> None:
        self.plan, self.founded, self.chance = plan, founded, Random(f"world {plan.seed}")
        self.wire = Wire(Random(f"wire {plan.seed}"), {seat.name: seat.path for seat in founded.seats if seat.tier == 1})
        self.record, self.counts, self.lines = acts.in_memory(), Counter[str](), list[str]()
        self.authority = Authority()
        self.sites = {seat.name: self._site(seat, founded.kept[seat.name]) for seat in founded.seats}
        self.copies: list[Site] = []
        self.cloned: set[str] = set()  # node ids of which there were two
        self.thrown: list[Site] = []
        self.lost: set[Entry] = set()
        self.put_out: dict[str, str] = {}  # seat → node id that was revoked and has no successor yet
        self.broken: list[str] = []
        self.phones_settled = False
        self._ends: list[tuple[float, int, Callable[[], None]]] = []
        self._weathers: list[Weather] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._is_healing = False

    def _site(self, seat: Seat, kept: Kept, name: str = "") -> Site:
        site = Site(seat, self.wire, self.chance, kept, name)
        site.opened, site.crashed, site.promised, site.kept = self._opened, self._crashed, self._promised, self._kept
        return site

    def everyone(self) -> list[Site]:
        return [*self.sites.values(), *self.copies, *self.thrown]

    def alive(self) -> list[Site]:
        """Those that are in the county."""
        return [site for site in (*self.sites.values(), *self.copies) if not site.is_gone]

    def note(self, words: str) -> None:
        self.lines.append(f"{asyncio.get_running_loop().time() - self._began:8.3f} {words}")

    # ── the two phases ──

    async def suffer(self) -> None:
        loop = asyncio.get_running_loop()
        self._began = loop.time()
        for step in self.plan.steps:  # what is so from the first start
            if step.kind == "old" and step.at_s < 1.0:
                self.sites[step.on].speaks = ()
        for site in self.sites.values():
            site.start()
        for step in self.plan.steps:
            await self._until(self._began + step.at_s)
            self.counts[f"step {step.kind}"] += 1
            self._take(step)
        await self._until(self._began + self.plan.lasts_s)

    async def heal(self) -> None:
        self._is_healing = True
        for _, _, end in sorted(self._ends, key=lambda one: one[:2]):
            end()
        self._ends.clear()
        self.wire.heal()
        self.note("healed")
        for site in self.everyone():
            site.disk.is_full = site.disk.lies = False
            if site.life is not None:
                site.life.spare()
            site.start()

    async def _until(self, at: float) -> None:
        """Time passes, and what was to end meanwhile ends."""
        loop = asyncio.get_running_loop()
        while self._ends and (first := min(self._ends, key=lambda one: one[:2]))[0] <= at:
            self._ends.remove(first)
            await asyncio.sleep(max(0.0, first[0] - loop.time()))
            first[2]()
        await asyncio.sleep(max(0.0, at - loop.time()))

    def _later(self, after_s: float, end: Callable[[], None]) -> None:
        if self._is_healing:
            asyncio.get_running_loop().call_later(after_s, end)
        else:
            self._ends.append((asyncio.get_running_loop().time() + after_s, len(self._ends), end))

    def _take(self, step: Step) -> None:
        if step.kind != "act":
            self.note(str(step))
        getattr(self, f"_do_{step.kind}")(step)

    # ── people ──

    def _do_act(self, step: Step) -> None:
        site = self.sites[step.on]
        copies = [copy for copy in self.copies if copy.seat.name == step.on and copy.is_up]
        chance = Random(step.seed)
        if copies and chance.random() < 0.5:
            site = copies[0]
        if site.node is None or not site.is_up or site.life is None:
            self.counts["act: node is down"] += 1
            return
        site.at_work.append(site.life.spawn(self._act(site, site.node, step, chance), f"act {step.what}"))

    async def _act(self, site: Site, node: Node, step: Step, chance: Random) -> None:
        kinds, weights = list(acts.KINDS), list(acts.KINDS.values())
        said, kind = "", step.what
        for _ in range(TRIES_MAX):  # whoever finds nothing to do of one kind does something else
            try:
                said = await acts.do(node, kind, chance, self.record)
            except acts.Broken as broken:
                self.broken.append(str(broken))
                said = f"{kind} BROKEN"
            if not said.endswith("nothing to do"):
                break
            kind = chance.choices(kinds, weights)[0]
        self.counts[f"act {said}" if not said.endswith("nothing to do") else "act with nothing to do"] += 1
        self.note(f"{site.name:6} {said}")

    # ── what goes wrong ──

    def _do_kill(self, step: Step) -> None:
        site = self.sites[step.on]
        site.down_s = step.for_s
        if step.count:
            site.kill_after(step.count, step.what == "power")
        else:
            site.kill(step.what == "power")

    def _crashed(self, site: Site) -> None:
        self.note(f"{site.name} died")
        if not site.stays_down:
            self._later(site.down_s, site.start)

    def _promised(self, site: Site) -> list[Entry]:
        """What a person was told here, or another node by a Have, and is on this disk now."""
        twins = [other for other in self.everyone() if other is not site and other.node_id == site.node_id]
        if twins and site.disk.is_changing:  # what one of them told may be coming in just now: it is not here before the commit
            return sorted(site.said & held(site))
        own = {entry for entry in self.entries_told() if entry[1] == site.origin}
        return sorted((own | site.said) & held(site))

    def _kept(self, site: Site, promised: list[Entry]) -> None:
        """A death takes nothing that was promised, whenever it comes."""
        here = held(site) if promised else set()
        gone = [entry for entry in promised if entry not in here]
        self.broken += [f"(a) {site.name} died and had lost {entry[:3]}, which it had said it holds" for entry in gone[:2]]

    def _do_cut(self, step: Step) -> None:
        low, _, high = step.on.partition(">")
        ways = {"both": [(low, high), (high, low)], "up": [(low, high)], "down": [(high, low)]}[step.what]
        for way in ways:
            self.wire.cut(*way)
        self._later(step.for_s, lambda: [self.wire.heal(*way) for way in ways] and None)

    def _do_server(self, step: Step) -> None:
        self.wire.stop(step.on)
        self._later(step.for_s, lambda: self.wire.begin(step.on))

    def _do_weather(self, step: Step) -> None:
        weather = WEATHERS[step.what]
        self._weathers.append(weather)
        self.wire.weather = weather

        def over() -> None:
            self._weathers.remove(weather)
            self.wire.weather = self._weathers[-1] if self._weathers else Weather()

        self._later(step.for_s, over)

    def _do_clock(self, step: Step) -> None:
        self.sites[step.on].offset_ms += step.count

    def _do_full(self, step: Step) -> None:
        disk = self.sites[step.on].disk
        disk.is_full = True
        self._later(step.for_s, lambda: setattr(disk, "is_full", False))

    def _do_old(self, step: Step) -> None:
        site = self.sites[step.on]
        self._again(site, lambda: setattr(site, "speaks", ()))
        self._later(step.for_s, lambda: self._again(site, lambda: setattr(site, "speaks", Machine.speaks)))

    def _again(self, site: Site, between: Callable[[], None]) -> None:
        """Stopped, changed, started. A site that is down stays down until whoever stopped it starts it."""
        was_up, site.stays_down = site.is_up, True
        site.kill()
        between()
        site.stays_down = False
        if was_up:
            site.start()

    def _do_restore(self, step: Step) -> None:
        self._put_back_later(step, self._restored)

    def _do_rollback(self, step: Step) -> None:
        self._put_back_later(step, lambda site, kept: site.put_back(kept))

    def _do_forget(self, step: Step) -> None:
        self._put_back_later(step, lambda site, kept: site.disk.put_back(kept.image))

    def _restored(self, site: Site, kept: Kept) -> None:
        """What `deploy.keeping.restore` does."""
        site.disk.put_back(kept.image)
        site.files |= kept.files
        site.identity().new_epoch()
        site.mark = b""
        note_restored(MemoryNotes(site), site.clock(), "restore")

    def _put_back_later(self, step: Step, put: Callable[[Site, Kept], None]) -> None:
        site = self.sites[step.on]
        if site.disk.writer is not None and site.disk.writer.has_changed and not site.disk.has_before:
            site.disk.overlap = 1.0  # an image in the middle of a transaction needs the one before
            self._later(0.05, lambda: self._put_back_later(step, put))
            return
        kept, id_ = site.copy(), site.node_id

        def back() -> None:
            if site.is_gone or site.node_id != id_:
                return
            self.note(f"{site.name} {step.kind}: an old state is put back")
            self._again(site, lambda: self._with_loss(site, lambda: put(site, kept)))

        self._later(step.for_s, back)

    def _do_clone(self, step: Step) -> None:
        site = self.sites[step.on]
        if self.copies or site.is_gone or step.on in self.put_out or site.disk.writer is not None:
            self.counts["clone left out"] += 1
            return
        copy = self._site(site.seat, site.copy(), f"{site.name}'")
        copy.former = [*site.former]
        self.copies.append(copy)
        self.cloned.add(copy.node_id)
        copy.start()

    def _do_lose(self, step: Step) -> None:
        site = self.sites[step.on]
        if step.on in self.put_out or self._has_copy(step.on):
            self.counts["lose left out"] += 1
            return
        self.put_out[step.on] = site.node_id
        self._with_loss(site, lambda: self._throw(site))
        self._in_county(self._replace(step.on), "replace")

    def _do_revoke(self, step: Step) -> None:
        if step.on in self.put_out or self._has_copy(step.on):
            self.counts["revoke left out"] += 1
            return
        self.put_out[step.on] = self.sites[step.on].node_id
        self._in_county(self._revoke(self.put_out[step.on]), "revoke")

    def _has_copy(self, seat: str) -> bool:
        return any(copy.seat.name == seat for copy in self.copies)

    def _throw(self, site: Site) -> None:
        site.is_gone = site.stays_down = True
        site.kill()
        self.thrown.append(site)

    # ── loss ──

    def entries_told(self) -> set[Entry]:
        return {
            (told.ledger, told.origin, seq, hash_)
            for told in self.record.acknowledged
            for seq, hash_ in zip(range(told.seq_first, told.seq_last + 1), told.hashes, strict=False)
        }

    def _with_loss(self, site: Site, happens: Callable[[], None]) -> None:
        before = self.entries_told() & held(site)
        happens()
        others = [other for other in self.alive() if other is not site]
        gone = before if site.is_gone else before - held(site)
        fresh = gone.difference(*map(held, others))
        self.lost |= fresh
        self.counts["entries lost with a disk"] += len(fresh)

    # ── who is in the county ──

    def _opened(self, site: Site) -> None:
        """A township's program gives its leaf the trust of *common*."""
        node = site.node
        if site.seat.tier == 1 and node is not None:

            def look(lanes: list[tuple[str, str]]) -> None:
                if any(ledger == COMMON for ledger, _ in lanes):
                    self.wire.trust(site.seat.server, node.shelf.revoked)

            node.wake.listen(look)
            self.wire.trust(site.seat.server, node.shelf.revoked)

    def _in_county(self, work: Coroutine[Any, Any, None], name: str) -> None:
        self._tasks.append(asyncio.get_running_loop().create_task(work, name=name))

    async def settled(self) -> None:
        """Returns when the operator has nothing to do any more. Raises what an operator's work raised."""
        while self._tasks:
            await self._tasks.pop()

    async def _by_operator(self, work: Callable[[Any], Awaitable[Any]]) -> Any:
        """Done at the county's node, in its life; done again when it died in the middle."""
        loop = asyncio.get_running_loop()
        until, site = loop.time() + ENROLS_S_MAX, self.sites[COUNTY]
        while loop.time() < until:
            if site.node is None or site.life is None or not site.is_up:
                await asyncio.sleep(0.1)
                continue
            life, enrolment = site.life, self.founded.enrolment(site.node, self.authority, self._applied, site.chance)
            task = life.spawn(work(enrolment), "operator")
            site.at_work.append(task)  # at the program's end it is ended too, as a request is
            while not task.done() and not life.is_over:
                await asyncio.sleep(0.02)
            if task.done() and not task.cancelled() and task.exception() is None:
                return task.result()
            life.forgive(task)
            await asyncio.sleep(0.2)
        raise TimeoutError("the operator found no county node to work at")

    async def _applied(self) -> None:
        self.wire.trust(COUNTY, self.authority.revoked)

    async def _revoke(self, node: str) -> None:
        await self._by_operator(lambda enrolment: enrolment.revoke(node, "丢失"))

    async def _replace(self, seat: str) -> None:
        """The place joins again with an empty computer."""
        old = self.put_out[seat]
        name, key = f"{seat} after {old}", signing_key(f"{seat} after {old}")
        about, packed = await self._joined(old, key, None)
        site = self._site(self.sites[seat].seat, Kept(self.founded.empty(), b"", msgspec.json.encode(about), keys_of(name, key), {}, {}))
        site.former = [*self.sites[seat].former, old]
        self._come(seat, site)
        await self._admitted(site, packed)

    async def renew(self, seat: str) -> None:
        """The same computer goes on under a new identity, over its journal (`edge.enrol.renew`). What copies there are, are thrown away."""
        site = self.sites[seat]
        old = self.put_out[seat] = site.node_id
        name, key = f"{seat} after {old}", signing_key(f"{seat} after {old}")
        about, packed = await self._joined(old, key, site)
        site.stays_down = True
        site.kill()
        site.former.append(old)
        site.about, site.keys = msgspec.json.encode(about), keys_of(name, key) | {k: site.keys[k] for k in ("store", "blob", "box")}
        site.stays_down = False
        site.start()
        del self.put_out[seat]
        await self._admitted(site, packed)

    async def _joined(self, old: str, key: Any, before: Site | None) -> tuple[Any, tuple[bytes, ...]]:
        async def work(enrolment: Any) -> tuple[Any, tuple[bytes, ...]]:
            _, code = await enrolment.renew(old, "换机")
            return await join(enrolment, code, key, self.chance, before.identity().about() if before else None)

        return await self._by_operator(work)

    def _come(self, seat: str, site: Site) -> None:
        if not self.sites[seat].is_gone:
            self._with_loss(self.sites[seat], lambda: self._throw(self.sites[seat]))
        self.sites[seat] = site
        del self.put_out[seat]
        site.start()
        self.note(f"{seat} joined again")

    async def _admitted(self, site: Site, packed: tuple[bytes, ...]) -> None:
        while site.node is None:
            if site.is_gone:
                return  # lost as well before it had opened
            await asyncio.sleep(0.05)
        node, life = site.node, site.life
        assert life is not None

        life.spawn(_taken_in(node, packed), "first batches")

    def alone(self, seat: str) -> set[Entry]:
        """What was told to be saved and only this seat's computers hold: nobody puts them out before it has come to others."""
        family = [site for site in self.alive() if site.seat.name == seat]
        others = [site for site in self.alive() if site.seat.name != seat]
        here = (self.entries_told() - self.lost) & set().union(*map(held, family))
        return here.difference(*map(held, others))

    async def part(self, seat: str) -> None:
        """An operator ends a fork: the identity is put out, its copies are thrown away, the computer itself goes on under a new one."""
        self.note(f"{seat} was forked: it is enrolled again")
        for copy in [copy for copy in self.copies if copy.seat.name == seat and not copy.is_gone]:
            self._with_loss(copy, lambda copy=copy: self._throw(copy))
        await self.renew(seat)
        self.counts["fork ended"] += 1

    async def let_in(self) -> None:
        """After the faults: whoever was put out and has no successor yet joins again."""
        await self.settled()
        for seat in list(self.put_out):
            await self._replace(seat)


def held(site: Site) -> set[Entry]:
    """All that it holds, in the lanes or beside them."""
    rows = site.disk.rows("select ledger, origin, seq, hash from entry union all select ledger, origin, seq, hash from branch")
    return set(rows)


def holds(site: Site, entry: Entry) -> bool:
    """In the lane or beside it."""
    ledger, origin, seq, hash_ = entry
    sql = "select 1 from entry where ledger = ? and origin = ? and seq = ? and hash = ?"
    beside = "select 1 from branch where ledger = ? and origin = ? and seq = ? and hash = ?"
    return bool(site.disk.rows(f"{sql} union all {beside}", (ledger, origin, seq, hash_) * 2))
