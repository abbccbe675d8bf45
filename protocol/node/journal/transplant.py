"""The list of tables of a damaged journal, taken from an empty one: `transplant(damaged, empty, key)`, on a copy, when its own can't be read.

The tables that are kept are made first and in one order (migrations), so they begin at the same pages in every journal that this version
founded. Where that does not hold, what is read through the list is no entry, and nothing of it is proven: it can't do harm.

A page is AES-256-CBC with its IV behind the cipher text (reseal.py); the first 16 bytes of page 1 are the salt, in clear, in place of SQLite's
own first words. https://www.sqlite.org/fileformat2.html: page count at 28, free list at 32, the tree of the list of tables at 100.
"""

from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from protocol.node.journal.reseal import MAC_BYTES, PAGE_BYTES, SALT_BYTES

_IV_BYTES: Final = 16
_RESERVED: Final = _IV_BYTES + MAC_BYTES
_HEADER: Final = 100
_INTERIOR, _DEPTH_MAX = 5, 4


def transplant(damaged: Path, empty: Path, key: bytes) -> None:
    """Call `reseal` after it. Raises OSError, ValueError when `empty` is not what it should be."""
    pages = damaged.stat().st_size // PAGE_BYTES
    with damaged.open("r+b") as to, empty.open("rb") as from_:
        for number in _list_pages(from_, key):
            raw = _read(from_, number)
            if number == 1:
                plain = bytearray(_opened(raw, key, 1))
                plain[28:32] = pages.to_bytes(4, "big")
                plain[32:40] = bytes(8)
                raw = _closed(bytes(plain), raw, key, 1)
            to.seek((number - 1) * PAGE_BYTES)
            to.write(raw)


def _list_pages(from_: object, key: bytes) -> list[int]:
    found, due = list[int](), [(1, 0)]
    while due:
        number, depth = due.pop()
        found.append(number)
        plain = _opened(_read(from_, number), key, number)
        at = _HEADER if number == 1 else 0
        if plain[at] != _INTERIOR:
            continue
        if depth > _DEPTH_MAX:
            raise ValueError("no tree")
        count = int.from_bytes(plain[at + 3 : at + 5], "big")
        cells = [int.from_bytes(plain[at + 12 + 2 * n : at + 14 + 2 * n], "big") for n in range(count)]
        children = [plain[cell : cell + 4] for cell in cells] + [plain[at + 8 : at + 12]]
        due += [(int.from_bytes(child, "big"), depth + 1) for child in children]
    return found


def _read(file: object, number: int) -> bytes:
    file.seek((number - 1) * PAGE_BYTES)  # type: ignore[attr-defined]
    raw: bytes = file.read(PAGE_BYTES)  # type: ignore[attr-defined]
    if len(raw) != PAGE_BYTES:
        raise ValueError(f"page {number} is not there")
    return raw


def _opened(raw: bytes, key: bytes, number: int) -> bytes:
    """The plain page, without what is reserved at its end; of page 1 the salt's place is left as it is."""
    first = SALT_BYTES if number == 1 else 0
    iv = raw[PAGE_BYTES - _RESERVED : PAGE_BYTES - MAC_BYTES]
    reader = Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor()
    return raw[:first] + reader.update(raw[first : PAGE_BYTES - _RESERVED]) + reader.finalize()


def _closed(plain: bytes, raw: bytes, key: bytes, number: int) -> bytes:
    """As `raw` was, with other contents."""
    first = SALT_BYTES if number == 1 else 0
    iv = raw[PAGE_BYTES - _RESERVED : PAGE_BYTES - MAC_BYTES]
    writer = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    return raw[:first] + writer.update(plain[first:]) + writer.finalize() + raw[PAGE_BYTES - _RESERVED :]
