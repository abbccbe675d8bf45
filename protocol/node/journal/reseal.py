"""A damaged page is readable again, on a copy: what stands in it is then judged entry by entry, by hashes that were signed.

SQLCipher gives a whole page away for one wrong bit. AES-CBC spoils 16 bytes of it and one bit more; the other entries of that page are
what was written, and each says so itself. So the checksum of such a page is made for what is on it now. Never the file itself,
only a copy that is read once and thrown away: nothing that was not proven goes on.

The format is SQLCipher 4's (https://www.zetetic.net/sqlcipher/design): pages of 4096 bytes, the last 64 of them HMAC-SHA512 over the
cipher text, its IV and the page number; the key of it is derived from the file's key and its salt, the first 16 bytes.
"""

import hmac
from hashlib import pbkdf2_hmac
from pathlib import Path
from typing import Final

PAGE_BYTES: Final = 4096
SALT_BYTES: Final = 16
MAC_BYTES: Final = 64
_SALT_MASK: Final = 0x3A
_ROUNDS: Final = 2


def reseal(path: Path, key: bytes) -> int:
    """How many pages of the copy were not what was written; what is left of a torn last page is cut off. Raises OSError."""
    wrong = 0
    with path.open("r+b") as f:
        salt = f.read(SALT_BYTES)
        mac_key = pbkdf2_hmac("sha512", key, bytes(byte ^ _SALT_MASK for byte in salt), _ROUNDS, 32)
        f.seek(0)
        number = 0
        while len(page := f.read(PAGE_BYTES)) == PAGE_BYTES:
            number += 1
            made = _mac(mac_key, page, number)
            if made != page[-MAC_BYTES:]:
                wrong += 1
                f.seek(-MAC_BYTES, 1)
                f.write(made)
                f.seek(0, 1)  # between writing and reading
        if page:
            wrong += 1
            f.truncate(number * PAGE_BYTES)
    return wrong


def _mac(key: bytes, page: bytes, number: int) -> bytes:
    content = page[SALT_BYTES if number == 1 else 0 : -MAC_BYTES]
    return hmac.digest(key, content + number.to_bytes(4, "little"), "sha512")
