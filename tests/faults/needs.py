"""Which programs a row needs are here, and how the others come. `./run faults` installs them on Debian as root."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from tests.kit import machine, postgres

PACKAGES = {
    "strace": "strace",
    "postgres": "postgresql",
    "chromium": "chromium",
    "nft": "nftables",
    "faketime": "faketime",
    "unshare": "util-linux",
}


def has(program: str) -> bool:
    if program == "postgres":
        return postgres.programs() is not None
    if program == "chromium":
        return bool(machine.CHROMIUM)
    if program == "faketime":
        return any(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if program == "nft":
        return all(shutil.which(name, path="/usr/sbin:/sbin:/usr/bin:/bin") for name in ("nft", "ip"))
    return bool(shutil.which(program))


def missing(needs: Iterable[str]) -> str:
    """ "" when all are here, else what to install."""
    lacking = [PACKAGES.get(name, name) for name in needs if not has(name)]
    return f"needs {' '.join(lacking)}: apt-get install -y {' '.join(lacking)}" if lacking else ""
