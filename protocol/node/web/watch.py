"""For machines that watch this one: `/healthz` tells the truth, `/metrics` (Prometheus) only where a token is configured.

Healthy is a node that can save: its store answers, is whole and took the last write, the disk has room, it is not being replaced by a new epoch, was neither
put out nor copied. Pages that wait for what others hold after a restore are said (`waits`) and are no illness: they open by themselves.
A link that is down is no illness (offline is calm); it is said, and the status stays 200. Neither tells anything about persons or cases.
"""

import asyncio
import hmac
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from litestar import Request, Response, get

from protocol import place
from protocol.node import observe
from protocol.node.blobs import MEGABYTE
from protocol.node.room import room_of
from protocol.node.standing import QUIET_MS
from protocol.node.version import VERSION
from protocol.node.web.link import behind_of, is_online
from protocol.node.web.page import KEPT_NOWHERE, are_files_readonly, node_of, twin
from protocol.problem import Refused

if TYPE_CHECKING:
    from prometheus_client.core import Metric

STORE_S_MAX: Final = 2.0


async def health_of(node: Any) -> dict[str, Any]:
    """status: ok | failing · why: codes of what fails · store, disk, link in a word each · version · waits: its pages, after a restore."""
    store = await _store(node)
    room = room_of(getattr(node, "folder", None))
    stopped = node.stopped() if hasattr(node, "stopped") else ""
    gate = getattr(node, "gate", None)
    failing = {
        f"store_{store}": store != "ok",
        "disk_full": room is not None and room.is_full,
        "files_readonly": are_files_readonly(node),
        "reopening": stopped == "store_busy",
        stopped: stopped not in ("", "store_busy"),
    }
    why = [name for name, is_so in failing.items() if is_so]
    pump = getattr(node, "pump", None)
    link = "none" if pump is None else "up" if is_online(node) else "cut" if pump.state().link.connected else "down"
    return {
        "status": "failing" if why else "ok",
        "why": why,
        "store": store,
        "disk_free_bytes": room and room.free_mib * MEGABYTE,
        "link": link,
        "version": VERSION,
        "waits": gate is not None and gate.is_waiting,
    }


async def _store(node: Any) -> str:
    """ok | damaged | readonly | silent | the code of its refusal."""
    journal = node.desk.journal
    if journal.damaged:
        return "damaged"
    try:
        async with asyncio.timeout(STORE_S_MAX):
            await journal.local("views")
    except TimeoutError:
        return "silent"
    except Refused as refused:
        return refused.code.removeprefix("store_")
    return "readonly" if journal.writable.is_readonly else "ok"


@get("/healthz", public=True)
async def healthz(request: Request) -> Response[bytes]:
    """200 while the node can save, else 503; for the supervisor, a balancer and the demo."""
    said = await health_of(node_of(request))
    return twin(said, 200 if said["status"] == "ok" else 503)


@get("/metrics", public=True)
async def metrics(request: Request) -> Response[bytes]:
    """Raises Refused page_unknown where no token is configured, or for another one."""
    node = node_of(request)
    token = node.config.metrics.token if node.config else ""
    said = request.headers.get("authorization", "").removeprefix("Bearer ")
    if not token or not hmac.compare_digest(said.encode(), token.encode()):
        raise Refused("page_unknown")
    from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

    registry = CollectorRegistry()
    registry.register(_Gathered(node, await health_of(node), await node.desk.journal.heads()))  # type: ignore[bad-argument-type]
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST, headers=KEPT_NOWHERE)


class _Gathered:
    """One scrape: what prometheus_client asks a collector for, read once before."""

    def __init__(self, node: Any, health: dict[str, Any], heads: dict[tuple[str, str], Any]) -> None:
        self._node, self._health = node, health
        self._heads = {lane: head for lane, head in heads.items() if not place.is_sealed(lane[0])}

    def collect(self) -> "Iterator[Metric]":
        from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily

        for name, about, value in self._figures():
            yield GaugeMetricFamily(f"yidi_{name}", about, value)
        timings = HistogramMetricFamily("yidi_seconds", "How long it took.", labels=["what"])
        failed = GaugeMetricFamily("yidi_failed", "How many of them raised since the start.", labels=["what"])
        for kind, timing in observe.timings.items():
            timings.add_metric([kind], timing.summed(), timing.sum_s)
            failed.add_metric([kind], timing.failed)
        yield timings
        yield failed
        version = GaugeMetricFamily("yidi_version", "Always 1; the label tells.", labels=["version"])
        version.add_metric([VERSION], 1)
        yield version

    def _figures(self) -> Iterator[tuple[str, str, float]]:
        yield "up", "1: it can save.", float(self._health["status"] == "ok")
        yield "entries", "Entries here, sealed ledgers left out.", sum(head.seq for head in self._heads.values())
        yield "lanes", "Lanes here, sealed ledgers left out.", len(self._heads)
        if self._health["disk_free_bytes"] is not None:
            yield "disk_free_bytes", "Room on the disk of its folder.", self._health["disk_free_bytes"]
        pump = getattr(self._node, "pump", None)
        if pump is None:
            return
        state, peers, now_ms = pump.state(), pump.peers(), self._node.clock()
        yield "link_connected", "1: a message server is connected.", float(state.link.connected)
        yield "link_online", "1: it is, and so is the server above, where this program runs a leaf.", float(is_online(self._node))
        yield "link_reconnects", "How often the link came back.", state.link.reconnects
        yield (
            "behind_entries",
            "Entries known to exist that are not here yet, sealed ledgers left out.",
            sum(n for _, n, _ in behind_of(self._node)),
        )
        yield "refused", "Batches and Haves refused since the start.", state.refused
        yield "pump_faults", "Parts of the pump that failed and began again.", sum(state.faults.values())
        yield "peers", "Other nodes known, revoked ones left out.", sum(not peer.revoked for peer in peers)
        heard = [peer for peer in peers if not peer.revoked and peer.last_seen_ms and now_ms - peer.last_seen_ms < QUIET_MS]
        yield "peers_heard", "Of these: heard in the last 5 minutes.", len(heard)
        tight = sum(peer.room is not None and peer.room.is_tight for peer in peers if not peer.revoked)
        yield "peers_disk_tight", "Of these: said that their disk is nearly full.", tight
        yield "owed_entries", "Entries that peers have not said they hold, summed over peers.", sum(peer.owed for peer in peers)


async def answered(request: Request) -> None:
    """After each response: how long the page took. Streams last as long as somebody looks, and count for nothing."""
    began = getattr(request.state, "began_s", None)
    if began is not None and request.scope["path"] != "/stream":
        observe.timings["page"].add(time.perf_counter() - began, False)


def routes() -> list:
    return [healthz, metrics]
