"""A small county that writes the same whatever machine it is on: `python -m tests.faults.rows.same_bytes FOLDER SEED NOW_MS`.

Prints, as JSON in ASCII, the digest of every entry, view row and answer to a search, and how many commands were saved. Keys, salts, ids and clock
follow from the seed, so any difference comes from the machine: its zone, its locale, its encoding. There the checkers are asked too.
"""

import asyncio
import json
import sys
from hashlib import sha256
from pathlib import Path
from random import Random

from protocol import views
from protocol.commands import AcceptDispute, AddNote, LogDispute, Party, SignAgreement
from protocol.node.desk import Outcome
from protocol.node.web import forms
from tests.faults.kit.truth import judge
from tests.faults.kit.whole import Small, promise
from tests.node.desk_kit import ROOT, VILLAGE, County, exchange

RARE = ("𠮷田", "㐂𠂇", "叶根土", "𪚥龘", "𰻞𰻞面", "ねこ", "é̂ê", "ａｂｃ１２", "ﬁn", "İı", "straße", "한국", "👨‍👩‍👧", "\u200b零", "王芳")

SAVED = "saved"  # beside the digests: how many commands were

DUE = {  # day → a time before it, Unix milliseconds
    "2038-01-19": 2_147_300_000_000,
    "2099-12-31": 4_102_200_000_000,
    "2100-02-28": 4_107_300_000_000,
    "2199-12-31": 7_258_000_000_000,
}


async def written(folder: Path, seed: int, now_ms: int) -> dict[str, str]:
    draw, county = Random(seed), County(folder)
    county.clock.now_ms = now_ms
    try:
        village, root = await county.node("village"), await county.node("root")
        names, said = [draw.choice(RARE) + draw.choice(RARE) for _ in range(4)], list[Outcome]()
        for n, name in enumerate(names):
            form = {
                "command_id": [f"same-bytes-{n}"], "ledger": [VILLAGE], "type": ["0204"], "account": [f"{name} 与邻居的田埂"], "amount": ["4.5万"],
                "party_name": [name, "叶根水"], "party_side": ["applicant", "respondent"], "happened_ms": ["2015-11-01T01:30"],
            }  # fmt: skip
            filled = forms.fill(LogDispute, form, {})
            assert filled.command is not None, filled.wrong
            said.append(await village.say(filled.command))
            case = said[-1].subject
            said.append(await village.say(AcceptDispute(id=f"accept-{n:06d}", case=case)))
            county.clock.pass_ms(draw.choice([-3_600_000, 1, 86_400_000, 31_536_000_000]))
            said.append(await village.say(AddNote(id=f"note-{n:08d}", case=case, text=draw.choice(RARE) * 3)))
        due = draw.choice(
            [day for day, before_ms in DUE.items() if county.clock.now_ms < before_ms]
        )  # a past date is no date of performance
        said.append(await village.say(SignAgreement(id="sign-000001", case=case, terms=["各让半尺"], performance="当场", due=[due])))
        plain = LogDispute(id="plain-00001", ledger=VILLAGE, type="0204", account="换行\r\n和\t制表", parties=[Party("\u3000全角 ")])
        said.append(await village.say(plain))
        await exchange(village, root)
        told = {"entries": _digest([(e.key, e.head_bytes, e.body) for e in sorted(await root.journal.since(0, 5000), key=lambda e: e.key)])}
        for name in views.TABLES:
            told[name] = _digest(sorted((sorted(row.items()) for row in await root.journal.rows(name)), key=repr))
        for node in (village, root):
            for word in (*RARE, *[name[-2:] for name in names], "叶根", "田埂"):
                told[f"search {word}"] = _digest(sorted(await node.journal.search(word)))
        assert await root.journal.search(names[0]), "a name that was written is not found"
        told["page"] = _digest([line.text for line in (await root.reads.case(root.actor(office=ROOT), case)).lines])
        judged = await judge(Small(county), [promise("village", one) for one in said], staffed=(ROOT, VILLAGE))
        assert (judged.lost, judged.doubled) == (0, 0), judged.said
        return told | {SAVED: str(judged.acknowledged)}
    finally:
        await county.close()


def _digest(told: object) -> str:
    return sha256(repr(told).encode("utf-8", "surrogatepass")).hexdigest()


if __name__ == "__main__":
    print(json.dumps(asyncio.run(written(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))))
