"""What a store's errors mean to the person at the desk, and which of them must end the program.

full disk → disk_full · busy, locked, gone away, out of connections → store_busy · a disk or a database that may only be read →
store_readonly · damaged pages → store_damaged. An I/O error of SQLite is fatal: after a failed sync the kernel may have dropped the pages,
and a second try would look like success; of a disk that became read-only see `writable`. PostgreSQL panics by itself.
"""

import os
import sys
from typing import Final, NoReturn

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from protocol.node import disk
from protocol.problem import Refused

EXIT_CODE = 70  # EX_SOFTWARE: whoever supervises starts the program again, and the start verifies
_SQLITE: Final = {
    5: "store_busy", 6: "store_busy", 8: "store_readonly", 11: "store_damaged", 13: "disk_full", 14: "store_readonly", 26: "store_damaged",
}  # fmt: skip
_SQLITE_IO: Final = 10
_POSTGRES: Final = {  # https://www.postgresql.org/docs/current/errcodes-appendix.html, longest prefix first
    "53100": "disk_full", "XX001": "store_damaged", "XX002": "store_damaged", "55P03": "store_busy", "57014": "store_busy",
    "25006": "store_readonly",
    "40": "store_busy", "53": "store_busy", "08": "store_busy", "57P": "store_busy",
}  # fmt: skip


def end_program(what: str) -> NoReturn:
    """No `finally`, no checkpoint on closing: they would write."""
    os.write(2, f"journal: {what}; the disk may not hold what it said. Stopped.\n".encode())
    sys.stdout.flush()
    os._exit(EXIT_CODE)


def is_fatal(error: BaseException) -> bool:
    """Claims that nobody knows any longer what is on the disk (SQLITE_IOERR and its extended codes)."""
    return (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF == _SQLITE_IO


def refusal(error: BaseException) -> Refused | None:
    """The refusal that an error of the store amounts to; None: it is none of those, let it rise."""
    if isinstance(error, PoolTimeout):
        return Refused("store_busy")
    cause = error.orig if isinstance(error, DBAPIError) else error
    while cause is not None:
        code = _code(cause)
        if code:
            return Refused(code)
        cause = cause.__cause__
    return None


def _code(cause: BaseException) -> str:
    sqlite = getattr(cause, "sqlite_errorcode", None)
    if sqlite:
        return _SQLITE.get(sqlite & 0xFF, "")
    state = getattr(cause, "sqlstate", None) or ""
    for prefix, code in _POSTGRES.items():
        if state.startswith(prefix):
            return code
    if isinstance(cause, OSError) and cause.errno in disk.MEANS:
        return disk.MEANS[cause.errno]
    driver = sys.modules.get("asyncpg")  # loaded where PostgreSQL is used, and only there: it is 3 MB
    gone = (driver.InterfaceError, driver.InternalClientError) if driver else ()
    return "store_busy" if isinstance(cause, (ConnectionError, *gone)) else ""
