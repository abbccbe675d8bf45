"""A proof of one entry: taken from a case page, checked by another node's page and by nobody's node; any change makes it worthless."""

import json
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from nacl.signing import SigningKey

from deploy.cli import main
from protocol import certificate as certificates
from protocol import proof
from protocol.commands import AddNote, EraseBody
from protocol.problem import Refused
from tests.edge.pages_kit import JSON, at
from tests.edge.rig import Rig
from tests.node.desk_kit import VILLAGE, new_id

ACCOUNT = "两家的菜地中间一条田埂"


@pytest.fixture
async def rig(tmp_path) -> AsyncIterator[Rig]:
    made = await Rig.make(tmp_path)
    yield made
    await made.close()


async def proven(rig: Rig, kind: str = "village") -> tuple[str, bytes]:
    subject = await rig.log("village", account=ACCOUNT)
    await rig.say("village", AddNote(id=new_id(), case=subject, text="后面还有一条"))
    await rig.everywhere()
    line = (await rig.case(kind, subject)).lines[0]
    async with at(rig, kind) as client:
        assert f"/cases/{subject}/proof/{line.key[0]}/{line.key[1]}" in (await client.get(f"/cases/{subject}")).text
        got = await client.get(f"/cases/{subject}/proof/{line.key[0]}/{line.key[1]}")
        assert got.status_code == 200 and "attachment" in got.headers["content-disposition"]
        return subject, got.content


def run(*words: str) -> int:
    """Of the command; its exit code."""
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    return int(ended.value.code or 0)


def county(rig: Rig) -> str:
    return bytes(rig.county.key.verify_key).hex()


async def test_what_the_village_gave_out_is_checked_by_the_county_and_by_nobodys_node(rig: Rig, tmp_path: Path, capsys):
    _, raw = await proven(rig)
    async with at(rig, "root") as client:
        told = (await client.post("/proof", files={"file": ("p.json", raw, "application/json")}, headers=JSON)).json()
        assert told["text"]["事情经过"] == ACCOUNT and told["ledger"] == VILLAGE and told["kind"] == "登记" and not told["wordless"]
        page = (await client.post("/proof", files={"file": ("p.json", raw, "application/json")})).text
        assert "证明成立" in page and ACCOUNT in page and county(rig) in page
    (tmp_path / "p.json").write_bytes(raw)
    assert run("proof", str(tmp_path / "p.json"), "--county", county(rig)) == 0
    assert ACCOUNT in capsys.readouterr().out
    assert run("proof", str(tmp_path / "p.json"), "--county", bytes(SigningKey(b"x" * 32).verify_key).hex()) == 1
    assert "不是这个县的" in capsys.readouterr().err


async def test_any_change_makes_it_worthless(rig: Rig):
    _, raw = await proven(rig)
    good = json.loads(raw)
    other_key, key = SigningKey(b"o" * 32), bytes(SigningKey(b"k" * 32).verify_key)
    forged = certificates.issue(
        other_key, node="nvill2222", name="x", key=key, serves=(VILLAGE,), covers=(VILLAGE,), short=18, valid_from_ms=1, branch="330523111"
    )

    ours = certificates.decode(b64decode(good["certificate"]))
    by_another = certificates.issue(other_key, **{name: getattr(ours, name) for name in ours.__struct_fields__[:8]})

    def flipped(text: str) -> str:
        bytes_ = bytearray(b64decode(text))
        bytes_[len(bytes_) // 2] ^= 1
        return b64encode(bytes_).decode()

    changes = {
        "body": {"body": flipped(good["body"])},
        "salt": {"salt": flipped(good["salt"])},
        "head": {"heads": [flipped(good["heads"][0]), *good["heads"][1:]]},
        "before": {"before": "00" * 32},
        "signature": {"signature": flipped(good["signature"])},
        "certificate": {"certificate": b64encode(certificates.encode(forged)).decode()},
        "root": {"certificate": b64encode(certificates.encode(by_another)).decode()},  # all else stays right
        "county": {"county": bytes(other_key.verify_key).hex()},
        "version": {"yidi_proof": 2},
        "nothing": {"heads": []},
    }
    assert proof.check(raw, county(rig)).head.kind == "DisputeLogged"
    for name, change in changes.items():
        with pytest.raises(Refused) as refused:
            proof.check(json.dumps({**good, **change}).encode(), county(rig))
        assert refused.value.code == "proof_wrong", name
    for rubbish in (b"", b"{}", b"[]", b"\xff", raw[:-20]):
        with pytest.raises(Refused):
            proof.check(rubbish, county(rig))


async def test_an_entry_in_the_middle_of_a_commit_goes_with_the_heads_up_to_the_signature(rig: Rig):
    _, raw = await proven(rig)
    assert len(json.loads(raw)["heads"]) == 1, "the registration is the end of its commit"
    node = rig.web("village").node
    rows = await node.journal.lane(VILLAGE, node.signer.origin, 0, 10)
    first = next(row for row in rows if not row.signature)  # the opening of the lane: signed with what was written first
    after = [row for row in rows if row.seq >= first.seq]
    end = next(n for n, row in enumerate(after) if row.signature)
    made = proof.made(after[: end + 1], bytes(32), node.signer.certificate, bytes(rig.county.key.verify_key), {})
    assert len(made.heads) == 2 and proof.check(proof.encode(made), county(rig)).signed_seq == first.seq + 1
    with pytest.raises(ValueError, match="signature"):
        proof.made(after[:end], bytes(32), node.signer.certificate, bytes(rig.county.key.verify_key), {})
    swapped = json.loads(proof.encode(made))
    swapped["heads"] = swapped["heads"][::-1]
    with pytest.raises(Refused):
        proof.check(json.dumps(swapped).encode(), county(rig))


async def test_an_erased_entry_is_proven_without_its_words_and_only_who_sees_the_case_gets_one(rig: Rig):
    subject = await rig.log("village", account=ACCOUNT)
    await rig.everywhere()
    line = (await rig.case("root", subject)).lines[0]
    await rig.say("root", EraseBody(id=new_id(), item=f"{VILLAGE}|{line.key[0]}|{line.key[1]}", ground="个人信息保护法第47条"))
    async with at(rig, "root") as client:
        raw = (await client.get(f"/cases/{subject}/proof/{line.key[0]}/{line.key[1]}")).content
        assert ACCOUNT.encode() not in raw and ACCOUNT.encode("unicode_escape") not in raw
        told = (await client.post("/proof", files={"file": ("p.json", raw, "application/json")}, headers=JSON)).json()
        assert told["wordless"] and told["text"]["编号"] and "事情经过" not in told["text"]
        assert (await client.get(f"/cases/{subject}/proof/{line.key[0]}/99", headers=JSON)).status_code == 404
        assert (await client.get(f"/cases/{'0' * 32}/proof/{line.key[0]}/2", headers=JSON)).status_code == 404


async def test_a_small_file_that_is_no_proof_is_said_in_words(rig: Rig):
    async with at(rig, "village") as client:
        page = await client.post("/proof", files={"file": ("p.json", b"{}", "application/json")})
        assert page.status_code == 422 and "这份证明不成立" in page.text
