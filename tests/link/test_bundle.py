"""A stick: only its receiver opens it, and only whole; and the code with which a node joins."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl.public import PrivateKey
from nacl.signing import SigningKey

from protocol import bundle, enrolment
from protocol.problem import Refused
from tests.link.test_wire import COUNTY, KEY, OURS, PUBLIC, WIRE, flip, issued, refused

SEALING = PrivateKey(bytes(range(5, 37)))
EPHEMERAL = PrivateKey(bytes(range(7, 39)))
FILE = bundle.pack([WIRE], [b"piece"], certificate=OURS, key=KEY, made_ms=5, receiver=bytes(SEALING.public_key), ephemeral=EPHEMERAL)


def test_a_bundle_comes_out_as_it_went_in():
    got = bundle.unpack(FILE, [PrivateKey(bytes(32)), SEALING], PUBLIC)
    assert (got.batches, got.pieces, got.certificate, got.made_ms) == ((WIRE,), (b"piece",), OURS, 5)
    assert bundle.receiver_of(FILE) == bytes(SEALING.public_key)
    assert "高禹村".encode() not in FILE
    assert WIRE not in FILE


def test_a_bundle_for_a_node_opens_with_its_own_key():
    node = SigningKey(bytes(range(9, 41)))
    made = bundle.pack([WIRE], certificate=OURS, key=KEY, made_ms=5, receiver=bundle.box_key(bytes(node.verify_key)), ephemeral=EPHEMERAL)
    assert bundle.unpack(made, [bundle.box_secret(node)], PUBLIC).batches == (WIRE,)
    with refused("bundle_wrong"):
        bundle.unpack(made, [SEALING], PUBLIC)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(FILE) * 8 - 1))
def test_any_flipped_bit_of_a_bundle_is_refused(bit):
    with pytest.raises(Refused):
        bundle.unpack(flip(FILE, bit), [SEALING], PUBLIC)


@given(st.integers(0, len(FILE) - 1))
def test_a_half_copied_bundle_is_refused(length):
    with refused("bundle_wrong"):
        bundle.unpack(FILE[:length], [SEALING], PUBLIC)


def test_another_county_s_or_another_node_s_bundle_is_refused():
    to = {"receiver": bytes(SEALING.public_key), "ephemeral": EPHEMERAL, "made_ms": 5}
    with refused("certificate_wrong"):
        bundle.unpack(bundle.pack([WIRE], certificate=issued(by=KEY), key=KEY, **to), [SEALING], PUBLIC)
    with refused("signature_wrong"):
        bundle.unpack(bundle.pack([WIRE], certificate=OURS, key=COUNTY, **to), [SEALING], PUBLIC)


CODE = enrolment.Code("10.0.0.1:8330", bytes(range(10)))


def test_a_code_is_read_as_people_write_it():
    assert CODE.text == "10.0.0.1:8330/AAAQ-EAYE-AUDA-OCAJ"
    for typed in (CODE.text, CODE.text.lower(), CODE.text.replace("-", " "), f"  {CODE.text.replace('O', '0')} "):
        assert enrolment.read_code(typed) == CODE
    for wrong in ("", "AAAQ-EAYE-AUDA-OCAJ", "10.0.0.1/AAAQ-EAYE-AUDA-OCAJ", CODE.text[:-1], CODE.text + "A"):
        with refused("code_unknown_late_or_used"):
            enrolment.read_code(wrong)


def test_only_who_holds_the_code_asks_or_answers():
    body = enrolment.ask(CODE, KEY, "UUSER", "ULEAF", b"pem", bytes(24))
    assert enrolment.name_of(body) == enrolment.lookup(CODE.secret)
    assert enrolment.open_ask(CODE.secret, body).key == bytes(KEY.verify_key)
    assert CODE.secret not in body
    assert b"UUSER" not in body
    with refused("code_unknown_late_or_used"):
        enrolment.open_ask(bytes(10), body)
    with refused("frame_broken"):
        enrolment.open_answer(CODE.secret, body[32:])  # a question played back is no answer


@given(st.integers(0, (len(enrolment.ask(CODE, KEY, "U", "", b"", bytes(24))) - 32) * 8 - 1))
def test_any_flipped_bit_of_a_question_is_refused(bit):
    body = enrolment.ask(CODE, KEY, "U", "", b"", bytes(24))
    with pytest.raises(Refused):
        enrolment.open_ask(CODE.secret, body[:32] + flip(body[32:], bit))
