"""A batch is proven whole: no entry passes for what is known of another, and no hash for what was made of a body on the way in."""

import msgspec

from protocol import batch, entry, lane
from protocol.batch import Batch
from tests.link.test_wire import FIRST, KEY, ORIGIN, OURS, PUBLIC, SECOND, VILLAGE, check, refused


def test_an_id_that_no_store_can_keep_is_refused_wherever_in_the_batch_it_stands():
    heads, at = list(SECOND.batch.heads), SECOND.batch.prev
    for field in ("subject", "command"):
        heads[3] = entry.encode_head(msgspec.structs.replace(SECOND.entries[3].head, **{field: "a\nb"}))
        for raw in heads:
            at = entry.chain(at, raw)
        with refused("batch_malformed"):
            check(Batch(VILLAGE, ORIGIN, 3, SECOND.batch.prev, tuple(heads), SECOND.batch.bodies, entry.sign(KEY, at)), FIRST.head, OURS)
        at = SECOND.batch.prev


def test_a_hash_that_was_made_of_a_body_here_is_held_against_what_the_head_says():
    """The hash may be left out on the wire where the head ends with it, and a head may end with it that means another."""
    salt, said = SECOND.batch.bodies[0]
    ends = msgspec.msgpack.encode(entry.body_hash(salt, said))
    fields = list(msgspec.structs.astuple(SECOND.entries[0].head))
    for claimed, is_true in ((bytes(32), False), (entry.body_hash(salt, said), True)):
        raw = b"\xdc\x00\x0f" + msgspec.msgpack.encode([*fields[:-1], claimed])[1:] + ends  # one element more, as of a later version
        made = Batch(VILLAGE, ORIGIN, 3, SECOND.batch.prev, (raw,), ((salt, said),), entry.sign(KEY, entry.chain(FIRST.head.hash, raw)))
        got = batch.unpack(batch.pack(made, batch.SPEAKS))
        assert got.heads == made.heads and got.told == [entry.body_hash(salt, said)]
        for judge in (lambda one: check(one, FIRST.head, OURS), lambda one: lane.check_branch(one, OURS, PUBLIC)):
            for one in (made, got):
                if is_true:
                    judge(one)
                    continue
                with refused("body_wrong"):
                    judge(one)
