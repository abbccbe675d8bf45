"""What an enrolled node may sign that no page ever writes: absurd numbers, texts without end, names of nothing, in facts and bodies of every kind."""

import itertools
from typing import Any

import msgspec
from msgspec import inspect

from protocol import entry, events, lane
from protocol.batch import Batch
from protocol.events import Draft
from tests.node.desk_kit import VILLAGE, Node

_salts = itertools.count(1)
ABSURD = ((2**64 - 1, "x" * 3_000), (2**63, ""), (2**63 - 1, "9" * 5_000), (2**53, "/"), (-(2**63), "a\nb"))
COUNTY_ONLY = ("TableSet", "NodeEnrolled", "NodeRevoked", "LaneOpened")
SORTS = {"person": ("PersonRegistered", "PostGiven", "PostEnded", "ResetVouched"), "erasure": ("BodyErased",), "sealed": ("Sealed",)}


class Writer:
    """Goes on with the node's own lane of a ledger, by its true key; nothing of it lies in the node's own store."""

    def __init__(self, node: Node, ledger: str = VILLAGE, head: lane.LaneHead = lane.EMPTY) -> None:
        self._node, self.ledger, self.head = node, ledger, head

    def batch(self, *drafts: Draft, turns: dict[str, int] | None = None) -> Batch:
        signer = self._node.signer
        opening = [] if self.head.seq else [lane.open_lane(self.ledger, signer.origin, signer.certificate)]
        made = lane.next_entries(
            self.head, [*opening, *drafts], origin=signer.origin, key=signer.key, author=("p" * 32, "clerk.00000001"), command="hostile-000001",
            occurred_ms=self._node.clock(), offset_ms=None, turns=turns or {}, salt=lambda: next(_salts).to_bytes(entry.SALT_BYTES),
        )  # fmt: skip
        self.head = made.head
        return made.batch


def sort_of(kind: str) -> str:
    named = next((sort for sort, kinds in SORTS.items() if kind in kinds), "")
    return named or ("task" if kind.startswith("Task") or kind == "CadreArrived" else "dispute")


def logged(subject: str) -> Draft:
    """An honest registration, so that what follows has a case to be read in."""
    facts = events.DisputeLogged(VILLAGE, 1, (), "c", "0204", "visit", 1, "red", None, None, "")
    return Draft(VILLAGE, subject, "dispute", facts, events.DisputeLoggedBody("田埂", "往东挪了半尺", []))


def draft(kind: str, subject: str, number: int, text: str, **more: Any) -> Draft:
    """An entry of this kind whose every number and text is these, of the office and the ledger that its writer may write for. more: facts that are not."""
    facts, body = events.EVENTS[kind]
    made = filled(facts, number, text)
    mine = {"office": VILLAGE, "term": 1, "seen": (), **({"ledger": VILLAGE} if "ledger" in facts.__struct_fields__ else {}), **more}
    return Draft(VILLAGE, subject, sort_of(kind), msgspec.structs.replace(made, **mine), filled(body, number, text) if body else None)


def filled(shape: Any, number: int, text: str) -> Any:
    return _filled(inspect.type_info(shape), number, text)


def _filled(info: Any, number: int, text: str) -> Any:
    match info:
        case inspect.IntType():
            return number
        case inspect.StrType():
            return "a" * 64 if info.pattern and "64" in info.pattern and number % 2 else text  # of an address also one that is whole
        case inspect.FloatType():
            return float("nan") if number % 2 else float(number)
        case inspect.BoolType():
            return True
        case inspect.BytesType():
            return text.encode()
        case inspect.UnionType():
            some = [one for one in info.types if not isinstance(one, inspect.NoneType)]
            return _filled(next((one for one in some if isinstance(one, inspect.IntType)), some[0]), number, text)
        case inspect.ListType():
            return [_filled(info.item_type, number, text)]
        case inspect.VarTupleType():
            return (_filled(info.item_type, number, text),)
        case inspect.TupleType():
            return tuple(_filled(one, number, text) for one in info.item_types)
        case inspect.StructType():
            return info.cls(*[_filled(field.type, number, text) for field in info.fields])
    raise AssertionError(info)
