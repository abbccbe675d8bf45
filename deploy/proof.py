"""Checks a proof file on any machine that has this program, without a node, a folder or a network.

yidi proof FILE [--county KEY]      KEY: the county's public key, 64 hex digits, as the county made it known
"""

import json
import sys
from pathlib import Path

from protocol import proof
from protocol.problem import Refused
from protocol.tables import Tables
from protocol.words import EVENT_NAMES, UNKNOWN_NAME, at_ms, moment


def check(file: Path, county: str = "") -> int:
    """Prints what is proven; gives the exit code. Raises OSError: the file can't be read. county: the public key that the file must name ("": whichever it names)."""
    try:
        proven = proof.check(file.read_bytes(), county)
    except Refused as refused:
        print(refused.sentence, file=sys.stderr)
        return 1
    head, tables = proven.head, Tables.packaged()
    told = {
        "县的公钥": proven.county,
        "机器": f"{proven.node.name}（{head.origin}）",
        "台账": f"{tables.place_full(head.ledger)} 第 {head.seq} 条",
        "条目": EVENT_NAMES.get(head.kind, UNKNOWN_NAME),
        "时间": moment(at_ms(head)),
        **proof.words(proven, tables),
    }
    if proven.wordless:
        told["正文"] = "不在这份证明里：已经依法删除，或者没有给"
    print(json.dumps(told, ensure_ascii=False, indent=1))
    return 0
