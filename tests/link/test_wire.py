"""Certificates, lanes, batches and Haves: canonical, whole or refused, one bit at a time."""

import msgspec
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl.signing import SigningKey

from deploy.wire.dictionary import catch_up, measured
from deploy.wire.lanes import drawn
from protocol import batch, certificate, entry, have, lane
from protocol.batch import Batch
from protocol.events import Draft, LaneOpened, NodeRevoked, NoteAdded, TextBody, facts_of
from protocol.have import Have
from protocol.lane import DEPTH_MAX, LaneHead
from protocol.problem import Refused

COUNTY, KEY = SigningKey(bytes(range(32))), SigningKey(bytes(range(1, 33)))
PUBLIC = bytes(COUNTY.verify_key)
VILLAGE, ORIGIN = "330523/330523111/330523111217", "nabcdefgh:1"


def issued(**changed) -> certificate.Certificate:
    fields = {
        "node": "nabcdefgh", "name": "高禹村", "key": bytes(KEY.verify_key), "serves": [VILLAGE], "covers": [VILLAGE], "short": 17,
        "valid_from_ms": 1, "branch": "330523111",
    }  # fmt: skip
    return certificate.issue(changed.pop("by", COUNTY), **(fields | changed))


OURS = issued()


def commit(head: LaneHead | None, *drafts: Draft, origin: str = ORIGIN, key: SigningKey = KEY) -> lane.Commit:
    salts = iter(bytes([n]) * 16 for n in range(1, 255))
    return lane.next_entries(
        head, drafts, origin=origin, key=key, author=("p" * 32, "clerk.00000001"), command="c" * 12, occurred_ms=1_795_000_000_000,
        offset_ms=-3, turns={}, salt=lambda: next(salts),
    )  # fmt: skip


def note(text: str = "两家各让半尺", office: str = VILLAGE, ledger: str = VILLAGE) -> Draft:
    return Draft(ledger, "a" * 32, "dispute", NoteAdded(office, 1, ()), TextBody(text))


FIRST = commit(None, lane.open_lane(VILLAGE, ORIGIN, OURS), note(), note("又来了一回"))
SECOND = commit(FIRST.head, *[note(f"第{n}次") for n in range(4)])
WIRE, RAW = batch.pack(FIRST.batch), batch.encode(FIRST.batch)


def refused(code: str):
    return pytest.raises(Refused, match=f"^{code}:")


def check(got: Batch, after: LaneHead | None = None, known: certificate.Certificate | None = None) -> lane.Checked:
    return lane.check(got, after, known, PUBLIC)


# ── certificates ──


def test_a_certificate_is_the_county_s_word_and_no_field_may_be_changed():
    assert certificate.is_valid(certificate.decode(certificate.encode(OURS)), PUBLIC)
    assert not certificate.is_valid(OURS, bytes(KEY.verify_key))
    for field, value in {
        "node": "nbbbbbbbb",
        "key": bytes(32),
        "serves": ("330523/*",),
        "covers": ("_",),
        "short": 18,
        "branch": "_",
    }.items():
        assert not certificate.is_valid(msgspec.structs.replace(OURS, **{field: value}), PUBLIC), field


@settings(max_examples=300)
@given(st.integers(0, len(certificate.encode(OURS)) * 8 - 1))
def test_any_flipped_bit_of_a_certificate_is_seen(bit):
    try:
        got = certificate.decode(flip(certificate.encode(OURS), bit))
    except Refused:
        return
    assert not certificate.is_valid(got, PUBLIC)


@pytest.mark.parametrize(
    "wrong",
    [
        {"node": "v1"}, {"node": "nABCDEFGH"}, {"key": b"short"}, {"serves": []}, {"covers": ["330523/../x"]}, {"covers": ["_"], "serves": ["_"]},
        {"short": 0}, {"branch": "a.b"}, {"branch": "*"}, {"covers": ["330523/*/330523111"]}, {"covers": [">"]},
    ],
)  # fmt: skip
def test_an_impossible_certificate_is_not_issued(wrong):
    with pytest.raises(ValueError, match="."):
        issued(**wrong)


def test_what_a_node_hears_and_writes():
    hub = issued(covers=["330523/*", "_", "330523/sealed/*"], serves=["330523/*"])
    hall = issued(covers=["330523/*"], serves=["330523/u07"])
    sealed, other = certificate.sealed_ledger(OURS), "330523/sealed/nzzzzzzzz"
    assert sealed == "330523/sealed/nabcdefgh"
    assert [certificate.hears(OURS, p) for p in (VILLAGE, "_", sealed, other, "330523/330523111")] == [True, True, True, False, False]
    assert [certificate.writes(OURS, p) for p in (VILLAGE, "_", sealed, other)] == [True, False, True, False]
    assert [certificate.hears(hub, p) for p in (VILLAGE, "_", other)] == [True, True, True]
    assert certificate.writes(hub, "_")
    assert [certificate.hears(hall, p) for p in (VILLAGE, "330523", other)] == [True, True, False]
    assert certificate.serves(hall, "330523/u07")
    assert certificate.serves(hall, "")
    assert not certificate.serves(hall, "330523")


# ── lanes ──


def test_a_lane_begins_with_its_certificate_and_proves_itself_to_whoever_has_the_county_key():
    got = check(FIRST.batch)
    assert got.certificate == OURS
    assert [e.head.seq for e in got.entries] == [1, 2, 3]
    assert [e.head.turn for e in got.entries] == [1, 1, 2]  # turn counts per subject
    assert [bool(e.signature) for e in got.entries] == [False, False, True]
    opened = facts_of(got.entries[0].head)
    assert isinstance(opened, LaneOpened)
    assert certificate.decode(opened.certificate) == OURS
    assert check(SECOND.batch, FIRST.head, OURS).entries == SECOND.entries
    assert check(FIRST.batch, FIRST.head, OURS).entries == ()


def test_what_is_known_already_is_cut_off_and_another_history_is_a_fork():
    both = Batch(
        VILLAGE,
        ORIGIN,
        0,
        entry.START,
        FIRST.batch.heads + SECOND.batch.heads,
        FIRST.batch.bodies + SECOND.batch.bodies,
        SECOND.batch.signature,
    )
    assert check(both, FIRST.head, OURS).entries == SECOND.entries
    with refused("lane_fork"):
        check(both, LaneHead(3, bytes(32), 3), OURS)
    with refused("lane_fork"):
        check(SECOND.batch, LaneHead(3, bytes(32), 3), OURS)
    with refused("lane_gap"):
        check(SECOND.batch, LaneHead(2, FIRST.entries[1].hash), OURS)


def test_a_second_certificate_of_the_same_key_widens_what_may_be_written_another_key_never():
    town = "330523/330523111"
    wide = issued(serves=[town, VILLAGE], valid_from_ms=2)
    written = commit(FIRST.head, note(office=town))
    with refused("office_not_served"):
        check(written.batch, FIRST.head, OURS)
    assert check(written.batch, FIRST.head, wide).entries
    with refused("certificate_wrong"):
        check(FIRST.batch, None, issued(key=bytes(COUNTY.verify_key)))


BAD = {
    "another key signed": (commit(FIRST.head, note(), key=COUNTY).batch, "signature_wrong"),
    "office it does not serve": (commit(FIRST.head, note(office="330523")).batch, "office_not_served"),
    "revocation outside common": (commit(FIRST.head, Draft(VILLAGE, "n", "common", NodeRevoked("", 0, (), "n", ()))).batch, "lane_foreign"),
    "no entries of this lane": (msgspec.structs.replace(SECOND.batch, ledger="330523/330523111"), "lane_foreign"),
    "another origin's name": (msgspec.structs.replace(SECOND.batch, origin="nzzzzzzzz:1"), "lane_foreign"),
    "bodies swapped": (msgspec.structs.replace(SECOND.batch, bodies=SECOND.batch.bodies[::-1]), "body_wrong"),
    "salt too long": (msgspec.structs.replace(SECOND.batch, bodies=((bytes(17), b"x"), *SECOND.batch.bodies[1:])), "body_wrong"),
    "not its signature": (msgspec.structs.replace(SECOND.batch, signature=FIRST.batch.signature), "signature_wrong"),
    "last entry cut off": (msgspec.structs.replace(SECOND.batch, heads=SECOND.batch.heads[:-1], bodies=SECOND.batch.bodies[:-1]), "signature_wrong"),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_a_bad_batch_is_refused_whole(what):
    got, code = BAD[what]
    with refused(code):
        check(got, FIRST.head, OURS)


def test_a_lane_in_a_ledger_that_its_node_does_not_cover_is_refused():
    elsewhere = "330523/330523111/330523111218"
    got = commit(None, lane.open_lane(elsewhere, ORIGIN, OURS), note(ledger=elsewhere))
    with refused("lane_foreign"):
        check(got.batch)
    common = commit(None, lane.open_lane("_", ORIGIN, OURS))
    with refused("lane_foreign"):
        check(common.batch)
    stranger = issued(by=KEY)
    with refused("certificate_wrong"):
        check(commit(None, lane.open_lane(VILLAGE, ORIGIN, stranger), note()).batch)


def test_numbers_and_ids_that_no_store_can_keep_are_refused():
    head = FIRST.entries[1].head
    for field, value in {
        "turn": 2**60,
        "occurred_ms": 2**60,
        "subject": "a\0b",
        "kind": "No kind",
        "command": "x" * 200,
        "format": 2,
    }.items():
        raw = entry.encode_head(msgspec.structs.replace(head, seq=4, **{field: value}))
        signed = entry.sign(KEY, entry.chain(FIRST.head.hash, raw))
        with pytest.raises(Refused):
            check(Batch(VILLAGE, ORIGIN, 3, FIRST.head.hash, (raw,), (None,), signed), FIRST.head, OURS)


def test_an_erased_body_still_verifies_and_an_unknown_event_passes():
    gone = msgspec.structs.replace(SECOND.batch, bodies=(None,) * 4)
    assert len(check(gone, FIRST.head, OURS).entries) == 4
    head = msgspec.structs.replace(
        FIRST.entries[1].head, seq=4, kind="FutureEvent", facts=msgspec.Raw(msgspec.msgpack.encode([VILLAGE, 1, [], 7]))
    )
    raw = entry.encode_head(head)
    got = Batch(VILLAGE, ORIGIN, 3, FIRST.head.hash, (raw,), (None,), entry.sign(KEY, entry.chain(FIRST.head.hash, raw)))
    assert check(got, FIRST.head, OURS).entries[0].entry.head_bytes == raw


@pytest.mark.parametrize("epoch", ["0", "422", "999999999", "01", "000000421"])
def test_a_lane_of_an_epoch_that_no_code_has_letters_for_is_refused(epoch):
    """Else one key could open lanes in a ledger until nobody's Have of it can be read."""
    origin = f"nabcdefgh:{epoch}"
    made = commit(None, lane.open_lane(VILLAGE, origin, OURS), origin=origin).batch
    for judge in (check, lambda got: lane.check_branch(got, OURS, PUBLIC)):
        with refused("batch_malformed"):
            judge(made)


def test_an_entry_that_others_would_refuse_is_not_written():
    with pytest.raises(ValueError, match="NoteAdded"):
        commit(FIRST.head, note("字" * 90_000))


def test_a_commit_is_of_one_lane_and_no_larger_than_a_batch():
    for drafts in ([note(), note(ledger="330523/330523111")], [note()] * 501, [note("字" * 60_000)] * 4, []):
        with pytest.raises(ValueError, match="."):
            commit(FIRST.head, *drafts)
    with pytest.raises(ValueError, match="LaneOpened"):
        commit(None, note())


@pytest.mark.parametrize(
    "body",
    [
        b"\xa2\xff\xff",
        b"\xc1",
        b"\x91" * 3_000 + b"\x90",
        b"\x91" * DEPTH_MAX + b"\x90",
        b"\x81\xa1a" * DEPTH_MAX + b"\x80",
        msgspec.msgpack.encode({"text": "a\0b"}),
        msgspec.msgpack.encode([["\0"]]),
    ],
)
def test_a_body_or_facts_that_no_store_could_keep_are_refused_though_well_signed(body):
    made = commit(FIRST.head, note())
    head = made.entries[0].head
    salt = bytes(16)
    for changed, carried in (
        (msgspec.structs.replace(head, body_hash=entry.body_hash(salt, body)), (salt, body)),
        (msgspec.structs.replace(head, facts=msgspec.Raw(body), body_hash=b""), None),
    ):
        raw = entry.encode_head(changed)
        signed = entry.sign(KEY, entry.chain(FIRST.head.hash, raw))
        with pytest.raises(Refused):
            check(Batch(VILLAGE, ORIGIN, 3, FIRST.head.hash, (raw,), (carried,), signed), FIRST.head, OURS)


def test_how_deep_a_body_may_be_hangs_on_no_interpreter():
    body, salt = b"\x91" * (DEPTH_MAX - 1) + b"\x90", bytes(16)
    head = commit(FIRST.head, note()).entries[0].head
    raw = entry.encode_head(msgspec.structs.replace(head, body_hash=entry.body_hash(salt, body)))
    signed = entry.sign(KEY, entry.chain(FIRST.head.hash, raw))
    check(Batch(VILLAGE, ORIGIN, 3, FIRST.head.hash, (raw,), ((salt, body),), signed), FIRST.head, OURS)


# ── batches ──


def flip(raw: bytes, bit: int) -> bytes:
    return raw[: bit // 8] + bytes([raw[bit // 8] ^ 1 << bit % 8]) + raw[bit // 8 + 1 :]


def test_bytes_are_canonical():
    assert batch.unpack(WIRE) == FIRST.batch
    assert batch.encode(batch.unpack(WIRE)) == RAW
    assert [entry.encode_head(entry.decode_head(raw)) for raw in FIRST.batch.heads] == list(FIRST.batch.heads)


@settings(max_examples=600, deadline=None)
@given(st.integers(0, len(WIRE) * 8 - 1), st.integers(0, len(RAW) * 8 - 1))
def test_any_flipped_bit_of_a_batch_is_refused(on_the_wire, by_the_sender):
    with pytest.raises(Refused):
        check(batch.unpack(flip(WIRE, on_the_wire)))
    with pytest.raises(Refused):
        check(batch.unpack(framed(flip(RAW, by_the_sender))))


def framed(raw: bytes) -> bytes:
    """As a sender would frame any bytes: its sum is right."""
    return batch._framed(zstandard.compress(raw))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_at_all_are_refused_in_words(raw):
    for wire in (raw, batch._framed(raw), framed(raw)):
        with pytest.raises(Refused):
            batch.unpack(wire)
    with pytest.raises(Refused):
        have.read(raw)


def test_a_frame_that_would_swell_is_refused_before_it_is_expanded():
    with refused("frame_too_large"):
        batch.unpack(framed(bytes(batch.BATCH_BYTES_MAX + 1)))
    cheat = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(50_000_000))
    with refused("frame_too_large"):
        batch.unpack(batch._framed(cheat))


def test_a_dictionary_is_named_in_the_frame_and_used_only_where_it_was_asked_for():
    plain, spoken = batch.pack(SECOND.batch), batch.pack(SECOND.batch, ("dict1", "of a later version"))
    assert batch.unpack(spoken) == batch.unpack(plain) == SECOND.batch
    assert zstandard.get_frame_parameters(spoken[batch.SUM_BYTES :]).dict_id == batch.DICTIONARIES["dict1"]
    assert zstandard.get_frame_parameters(plain[batch.SUM_BYTES :]).dict_id == 0
    assert len(spoken) < len(plain)
    with refused("version_unknown"):
        batch.unpack(spoken, ())
    with refused("version_unknown"):
        batch.unpack(
            batch._framed(zstandard.ZstdCompressor(dict_data=zstandard.train_dictionary(4_096, SAMPLES, dict_id=99_999)).compress(RAW))
        )


SAMPLES = [batch.encode(commit(FIRST.head, *[note(f"纠纷 {n} {k}") for k in range(n % 7 + 1)]).batch) for n in range(300)]


def test_the_hash_of_a_body_that_travels_is_left_out_and_made_again():
    bare = batch.encode(SECOND.batch, ("bare",))
    assert len(bare) < len(batch.encode(SECOND.batch)) - 24 * sum(body is not None for body in SECOND.batch.bodies)
    assert batch.decode(bare) == SECOND.batch
    with refused("version_unknown"):
        batch.decode(bare, ("dict1",))
    erased = msgspec.structs.replace(SECOND.batch, bodies=tuple(None for _ in SECOND.batch.bodies))
    assert batch.decode(batch.encode(erased, batch.SPEAKS)) == erased
    grown = msgspec.structs.replace(SECOND.batch, heads=tuple(head + b"\x01" for head in SECOND.batch.heads))
    assert batch.decode(batch.encode(grown, batch.SPEAKS)) == grown, "a head of a later version goes as it is"


def test_any_bit_that_flips_in_a_bare_batch_is_noticed():
    bare = batch.encode(FIRST.batch, ("bare",))
    for bit in range(len(bare) * 8):
        with pytest.raises(Refused):
            check(batch.decode(flip(bare, bit)))


def test_of_a_made_up_county_an_entry_in_catch_up_takes_at_most_200_bytes_and_a_third_of_its_json():
    lanes = drawn(3, villages=6, each=8)
    old, new = measured(lanes, ()), measured(lanes, batch.SPEAKS)
    print(f"\nbytes an entry: {old} without, {new} with the dictionary")
    assert new["catch_up"] <= 200 and new["ratio"] <= 0.35
    assert new["catch_up"] < 0.8 * old["catch_up"], "the dictionary is worth its place"
    for got, _ in catch_up(lanes):
        assert batch.unpack(batch.pack(got, batch.SPEAKS)) == got


class Row(msgspec.Struct):
    head_bytes: bytes
    salt: bytes | None
    body: bytes | None
    hash: bytes
    signature: bytes | None


def rows(*commits: lane.Commit) -> list[Row]:
    return [Row(e.entry.head_bytes, e.entry.salt, e.entry.body, e.hash, e.signature) for c in commits for e in c.entries]


def test_a_batch_is_cut_only_where_a_signature_is_held():
    both = rows(FIRST, SECOND)
    assert batch.cut(both, VILLAGE, ORIGIN, 0).last == 7
    assert batch.cut(both, VILLAGE, ORIGIN, 0, limit=6) == FIRST.batch
    assert batch.cut(both, VILLAGE, ORIGIN, 0, limit=1) == FIRST.batch  # the first signature, even beyond the limit
    assert batch.cut(both[3:], VILLAGE, ORIGIN, 3, FIRST.head.hash, 2) == SECOND.batch
    assert batch.cut(both[:2], VILLAGE, ORIGIN, 0) is None
    assert batch.cut([], VILLAGE, ORIGIN, 0) is None


def test_a_batch_of_long_texts_stays_within_its_bytes():
    commits, head = [], FIRST.head
    for _ in range(12):
        commits.append(commit(head, note("长" * 30_000)))
        head = commits[-1].head
    got = batch.cut(rows(*commits), VILLAGE, ORIGIN, 3, FIRST.head.hash)
    assert got is not None
    assert 1 <= len(got.heads) < 12
    assert len(batch.encode(got)) <= batch.BATCH_BYTES_MAX
    assert check(batch.unpack(batch.pack(got)), FIRST.head, OURS).entries


# ── Haves ──

SAID = Have("nabcdefgh", VILLAGE, {"nzzzzzzzz:1": (7, bytes(32)), ORIGIN: (3, FIRST.head.hash)}, 1_795_000_000_123, "0.1.0", True)
SPOKEN = have.sign(SAID, KEY)


def test_a_have_is_signed_as_it_was_said():
    got = have.read(SPOKEN)
    assert msgspec.structs.replace(got, signature=b"") == SAID
    assert have.is_signed(SPOKEN, bytes(KEY.verify_key))
    assert not have.is_signed(SPOKEN, PUBLIC)
    turned = Have(SAID.node, SAID.ledger, dict(reversed(SAID.lanes.items())), SAID.clock_ms, SAID.version, SAID.want)
    assert have.sign(turned, KEY) == SPOKEN  # the order of lanes is no matter of chance


@settings(max_examples=300)
@given(st.integers(0, len(SPOKEN) * 8 - 1))
def test_any_flipped_bit_of_a_have_is_refused(bit):
    wire = flip(SPOKEN, bit)
    assert not have.is_signed(wire, bytes(KEY.verify_key))


def test_a_later_version_s_longer_have_still_verifies():
    grown = msgspec.msgpack.encode([*msgspec.msgpack.decode(SPOKEN[64:]), [430, 200_000, 7], "new", [1]])
    wire = KEY.sign(have._SIGNED_AS + grown).signature + grown
    assert have.is_signed(wire, bytes(KEY.verify_key))
    assert (have.read(wire).lanes, have.read(wire).room) == (SAID.lanes, have.Room(430, 200_000))


def test_the_room_of_a_disk_costs_ten_bytes_where_it_is_said_and_none_elsewhere():
    roomy = have.sign(msgspec.structs.replace(SAID, room=have.Room(430, 200_000)), KEY)
    assert have.read(roomy).room == have.Room(430, 200_000) and have.read(SPOKEN).room is None
    assert len(roomy) - len(SPOKEN) <= 10
    assert msgspec.msgpack.decode(roomy[64:])[:8] == msgspec.msgpack.decode(SPOKEN[64:]), "what older nodes read is where it was"
    for wrong in ([5, 4], [-1, 4], [1.5, 4], None, {"free": 1}, "much", [3], [1, 2**63]):
        raw = msgspec.msgpack.encode([*msgspec.msgpack.decode(SPOKEN[64:]), wrong])
        got = have.read(KEY.sign(have._SIGNED_AS + raw).signature + raw)
        assert got.room is None and got.lanes == SAID.lanes, "what is for people to look at costs no receipt"


def test_a_damaged_journal_is_told_behind_the_room_and_passed_over_by_who_does_not_know_it():
    said = msgspec.structs.replace(SAID, room=have.Room(430, 200_000, True))
    wire = have.sign(said, KEY)
    assert have.read(wire).room == have.Room(430, 200_000, True)
    assert msgspec.msgpack.decode(wire[64:])[-1] == [430, 200_000, 1], "who reads two numbers finds them where they were"
    for other in (7, 0, "1", [1]):
        raw = msgspec.msgpack.encode([*msgspec.msgpack.decode(SPOKEN[64:]), [430, 200_000, other]])
        assert have.read(KEY.sign(have._SIGNED_AS + raw).signature + raw).room == have.Room(430, 200_000), f"{other!r} is not ours"


class HaveOf010(msgspec.Struct, array_like=True, frozen=True):
    """As the release 0.1.0 reads it."""

    node: str
    ledger: str
    lanes: have.Lanes
    clock_ms: int
    version: str = ""
    want: bool = False


def test_an_older_node_reads_our_have_and_we_read_its():
    ours = have.sign(msgspec.structs.replace(SAID, speaks=batch.SPEAKS, room=have.Room(430, 200_000)), KEY)
    theirs = msgspec.msgpack.decode(ours[64:], type=HaveOf010)
    assert (theirs.lanes, theirs.version, theirs.want) == (SAID.lanes, SAID.version, SAID.want)
    raw = msgspec.msgpack.encode(theirs)
    old = KEY.sign(have._SIGNED_AS + raw).signature + raw
    assert (have.read(old).speaks, have.read(ours).speaks) == ((), batch.SPEAKS)
    assert have.is_signed(old, bytes(KEY.verify_key)) and have.is_signed(ours, bytes(KEY.verify_key))


@given(
    st.dictionaries(
        st.text("abc:1", min_size=1, max_size=6), st.tuples(st.integers(1, 2**40), st.binary(min_size=32, max_size=32)), max_size=6
    )
)
def test_a_digest_says_what_is_held_and_not_in_which_order(lanes):
    assert have.digest(lanes) == have.digest(dict(reversed(lanes.items())))
    for origin, (seq, hash_) in lanes.items():
        assert have.digest(lanes) != have.digest(lanes | {origin: (seq + 1, hash_)})
    assert have.lanes_of({o: LaneHead(seq, h) for o, (seq, h) in lanes.items()} | {"empty:1": LaneHead()}) == lanes


@pytest.mark.parametrize(
    "origin", ["", "a\0b", "x" * 5_000, "naaaaaaaa", "naaaaaaaa:0", "naaaaaaaa:01", "naaaaaaaa:1:2", "naaaaaaaa:99999999", "甲:1"]
)
@pytest.mark.parametrize("part", ["lanes", "forks"])
def test_a_have_of_what_can_be_no_lane_is_refused_before_it_stands_anywhere(origin: str, part: str):
    end = (3, bytes(32))
    lanes, forks = ({origin: end}, {}) if part == "lanes" else ({}, {origin: (end,)})
    said = Have("naaaaaaaa", "330523", lanes, 1, forks=forks)
    with pytest.raises(Refused, match="batch_malformed"):
        have.read(have.sign(said, SigningKey(bytes(32))))
    good = Have("naaaaaaaa", "330523", {"naaaaaaaa:1": end}, 1, forks={"naaaaaaaa:2": (end,)})
    assert have.read(have.sign(good, SigningKey(bytes(32)))).lanes == good.lanes
