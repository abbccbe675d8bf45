"""Entries outlive programs: what an earlier or a later version wrote is read, kept and forwarded unharmed."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import events
from protocol.entry import Head, chain, decode_head, encode_head


def head(kind: str, facts: object) -> Head:
    raw = msgspec.Raw(msgspec.msgpack.encode(facts))
    return Head(
        1, "330523", "naaaaaaaa:1", 2, "c" * 32, "dispute", 1, 1_790_000_000_000, None, ("p", "clerk.1"), "command-1", kind, raw, b""
    )


def test_every_kind_reads_back_what_it_wrote():
    facts = events.DisputeEscalated("330523", 2, (("naaaaaaaa:1", 7),), "330523/330523111")
    assert events.facts_of(head("DisputeEscalated", facts)) == facts


def test_an_array_that_grew_at_its_end_is_read_by_who_knows_less():
    grown = ["330523", 2, [], "330523/330523111", "a field of a later version", 42]
    assert events.facts_of(head("DisputeEscalated", grown)) == events.DisputeEscalated("330523", 2, (), "330523/330523111")


def test_an_event_of_a_later_version_is_unknown_but_says_for_whom_and_when():
    got = events.facts_of(head("DisputeTranslated", ["330523", 3, [["naaaaaaaa:1", 4]], "yue"]))
    assert got == events.Unknown("330523", 3, (("naaaaaaaa:1", 4),))


def test_an_old_shape_comes_back_as_todays(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(events.OLD_SHAPES, "DisputePassedUp", ("DisputeEscalated", lambda old: [old[0], old[1], [], old[2]]))
    got = events.facts_of(head("DisputePassedUp", ["330523/330523111", 2, "330523"]))
    assert got == events.DisputeEscalated("330523/330523111", 2, (), "330523")
    assert isinstance(events.facts_of(head("DisputePassedUp", ["too short"])), events.Unknown)


@given(st.binary(max_size=60), st.sampled_from([*events.EVENTS, "Anything"]))
def test_whatever_bytes_stand_in_the_facts_nothing_is_raised(raw: bytes, kind: str):
    whole = Head(1, "330523", "n:1", 1, "s", "dispute", 1, 1, None, ("", ""), "c", kind, msgspec.Raw(raw), b"")
    assert isinstance(events.facts_of(whole), events.Facts)
    events.body_of(kind, raw)


@given(st.integers(1, 2**53), st.integers(1, 2**53), st.text(max_size=20), st.binary(max_size=32))
def test_head_bytes_are_canonical(seq: int, turn: int, subject: str, body_hash: bytes):
    """Encoding what was decoded gives the same bytes, so the hash of an entry does not depend on who encoded it."""
    facts = msgspec.Raw(msgspec.msgpack.encode(events.DisputeAccepted("330523", 1, (), True)))
    raw = encode_head(Head(1, "330523", "n:1", seq, subject, "dispute", turn, 1, -5, ("a", "b"), "c", "DisputeAccepted", facts, body_hash))
    assert encode_head(decode_head(raw)) == raw
    assert chain(bytes(32), raw) != chain(bytes(32), raw + b"\0")
