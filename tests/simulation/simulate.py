"""One seed, from its plan to its verdict: things go wrong and safety is watched, then the world heals and must become one again.

result = run(plan)         plan: plan.draw(seed), or one of which steps were left out
result.broken              what was not true; empty when all is well
result.hash                of everything that happened: the same for the same plan, in any process
"""

import asyncio
import gc
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from hashlib import sha256
from random import Random
from typing import Any, Final
from unittest import mock

import msgspec

from protocol import entry, have
from protocol.node import log
from protocol.problem import Refused
from tests.simulation import acts, checks, founding, oracles, oracles_task, signatures, virtual, words
from tests.simulation.plan import Plan
from tests.simulation.virtual import Life, VirtualLoop
from tests.simulation.wire import COUNTY
from tests.simulation.world import World, holds

HEALS_S_MAX: Final = 90.0  # until all digests are equal
HEALED_S: Final = (3, 6, 12, 35)
LOOK_S: Final = 0.5
PATIENCE_S: Final = 8.0  # so long an operator waits for a fork to be settled by itself
CALM_LOOKS: Final = 2  # so often in a row nothing may have changed
FAULTS: Final = ("loop failed", "pump part failed", "message failed", "errand failed")
LOCAL: Final = ("disk_full", "store_busy", "store_damaged")
COLLECT_EACH: Final = 24

_runs = [0]


class Result(msgspec.Struct):
    """seconds: of virtual time · counts: how often each thing happened."""

    plan: Plan
    broken: list[str]
    hash: str
    lines: list[str]
    counts: Counter[str]
    seconds: float
    steps: int


def run(plan: Plan) -> Result:
    """Never raises for what is wrong with the county: that is in `broken`."""
    founded = founding.found(founding.SIZES[plan.size])
    loop, events = VirtualLoop(), _Events()
    world: list[World] = []
    broken: list[str] = []
    with _under_watch(events), signatures.remembered():
        try:
            broken += loop.play(_played(plan, founded, world, events))
        except Exception as error:
            broken.append(f"{type(error).__name__}: {error}")
        lasted, steps = loop.time() - virtual.START_S, loop.steps
        result = _result(plan, world[0], broken, lasted, steps, events)
        _bury(world[0], loop)
    return result


# ── the rest is private ──


async def _played(plan: Plan, founded: founding.Founded, made: list[World], events: "_Events") -> list[str]:
    world = World(plan, founded)
    made.append(world)
    events.world = world
    checks.Watch(world)
    oracles.listen(world)
    await world.suffer()
    await world.heal()
    wrong = await _healed(world)
    if not wrong:
        wrong = oracles_task.at_end(world)  # before `checks` makes views anew
        wrong += await checks.at_end(world, Random(f"checks {plan.seed}"))
        wrong += oracles.at_end(world)
    failed = [f"{type(error).__name__}: {error}" for site in world.everyone() for life in site.lives for error in life.failed]
    return [*world.broken, *virtual.escapes, *events.faults, *failed, *wrong]


async def _healed(world: World) -> list[str]:
    """Liveness: in bounded time all are up, nobody is forked, and all hold the same; then they stay so."""
    loop = asyncio.get_running_loop()
    until, calm, wrong = loop.time() + HEALS_S_MAX, 0, ["never looked"]
    await world.let_in()
    while loop.time() < until:
        await asyncio.sleep(LOOK_S)
        if (forked := _forked(world, loop.time() > until - HEALS_S_MAX + PATIENCE_S and bool(wrong))) and not (
            alone := world.alone(forked)
        ):
            await world.part(forked)
        elif forked:
            wrong, calm = [f"(a) only {forked} and its copy hold what was told to be saved: {sorted(alone)[:3]}"], 0
            continue
        wrong = [f"{site.name} does not open" for site in world.alive() if site.node is None]
        wrong = wrong or [f"{site.name} still asks the others" for site in world.alive() if site.node and not site.node.desk.is_asked()]
        wrong = (
            wrong
            or checks.differing(world)
            or list(checks.present(world))
            or list(checks.doubled(world))
            or list(words.missing(world))
            or list(words.waiting(world))
        )  # what stands beside a lane comes after it
        calm = 0 if wrong else calm + 1
        if calm == CALM_LOOKS and (busy := await _phones(world)) == 0:
            world.note("all is one")
            took = loop.time() - until + HEALS_S_MAX
            world.counts[f"healed in {next((s for s in HEALED_S if took <= s), HEALS_S_MAX):.0f} s"] += 1
            return []
        calm = 0 if not wrong and calm == CALM_LOOKS and busy else min(calm, CALM_LOOKS)
    return [f"not one again after {HEALS_S_MAX:.0f} s", *wrong]


def _forked(world: World, tired: bool) -> str:
    """A seat whose node stopped because its lane has two histories; tired: also one of whose closed lanes the county's page says so."""
    county = world.sites[COUNTY].node
    shown = {entry.node_of(origin) for _, origin in county.forks.lanes} if county is not None and tired else set()
    for seat in world.sites:
        if seat != COUNTY and world.sites[seat].node_id in shown:
            return seat
    for seat, site in world.sites.items():
        family = [site, *(copy for copy in world.copies if copy.seat.name == seat and not copy.is_gone)]
        if any(one.node is not None and one.node.stopped() == "node_forked" for one in family):
            return seat
    return ""


async def _phones(world: World) -> int:
    """Cadres have a signal again; how much their phones still sent."""
    before = len(world.record.acknowledged)
    if not world.phones_settled:
        world.phones_settled = True
        for site in world.sites.values():
            if site.node is not None and site.life is not None:
                task = site.life.spawn(acts.settle_phones(site.node, Random(f"phones {site.name}"), world.record), "phones")
                await asyncio.wait({task})
        return 1 + len(world.record.acknowledged) - before
    return 0


class _Events:
    """What programs wrote into their logs."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.faults: list[str] = []
        self.world: World | None = None
        self.is_over = False

    def event(self, name: str, *, level: int = 0, exception: BaseException | None = None, **facts: object) -> None:
        if self.is_over:
            return
        if strangers := set(facts) - log.ALLOWED:
            raise ValueError(f"not for a log: {sorted(strangers)}")
        self.counts[f"log: {name}"] += 1
        if name == "refused":
            self.counts[f"refused: {facts.get('reason_code')}"] += 1
        if name in FAULTS and not (isinstance(exception, Refused) and exception.code in LOCAL):
            where = _where(exception)
            self.faults.append(f"{name} {facts.get('name_of') or facts.get('kind')}: {type(exception).__name__} {exception} at {where}")


def _where(error: BaseException | None) -> str:
    at, trace = "?", error.__traceback__ if error else None
    while trace is not None:
        at, trace = f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}", trace.tb_next
    return at


@contextmanager
def _under_watch(events: _Events) -> Iterator[None]:
    """Logs are listened to, and the same signature is proven once: nothing else of production is replaced."""
    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(log, "event", events.event))
        stack.enter_context(mock.patch.object(entry, "is_signed", _entry_signed))
        stack.enter_context(mock.patch.object(have, "is_signed", _have_signed))
        yield
        events.is_over = True


_entry_signed = lru_cache(20_000)(entry.is_signed)
_have_signed = lru_cache(4_000)(have.is_signed)


def _result(plan: Plan, world: World, broken: list[str], seconds: float, steps: int, events: _Events) -> Result:
    counts: Counter[str] = Counter(events.counts)
    counts.update(world.counts)
    counts.update({f"wire: {name}": count for name, count in world.wire.counts.items()})
    for site in world.everyone():
        counts.update({f"disk: {name}": count for name, count in site.disk.counts.items()})
        counts.update({f"program: {name}": count for name, count in site.counts.items()})
    counts[f"county {plan.size}"] += 1
    told = sha256("\n".join([*world.lines, *broken, f"{seconds:.6f} {steps}"]).encode() + world.wire.trace.digest())
    return Result(plan, broken, told.hexdigest(), world.lines, counts, seconds, steps)


def _bury(world: World, loop: VirtualLoop) -> None:
    for site in world.everyone():
        for life in site.lives:
            life.bury()
        site.disk.give_back()
    loop.close()
    _runs[0] += 1
    if _runs[0] == 1:
        gc.collect()
        gc.freeze()  # what was imported and founded stays; later it would keep the world that was just played for ever
    elif _runs[0] % COLLECT_EACH == 0:
        gc.collect()


def forget_runs() -> None:
    """Empties what is kept between runs, for tests that compare processes."""
    _runs[0] = 0


__all__: Any = ["Life", "Result", "holds", "run"]
