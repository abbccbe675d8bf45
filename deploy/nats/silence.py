"""A line that loses without a word is given up in seconds, not when the pings of nats-server have gone unanswered twice.

    silence = Silence(pid, port)     of the connection that this process, a child of ours, has made to that port
    silence.cut_if_lost()            each LOOK_S: True when it was silent and has been cut, so that the process dials anew

TCP waits twice as long each time before it sends again what nobody acknowledges: after half a minute of silence it may be half a minute until
the first byte goes through a line that is whole again, while a new call is through at once. So the count of those times decides, as the kernel
keeps it (tcp(7), TCP_INFO): it begins anew with each byte that is acknowledged, however slow the line is, and does not grow while the other
end is busy and takes nothing more.

Asked of the server's own socket, which whoever started it may borrow (pidfd_getfd(2), Linux 5.6), for the moment of asking: held for longer
it would keep open what the server closes. Elsewhere, and where the system forbids it, the pings remain.
"""

import contextlib
import ctypes
import errno
import os
import socket
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

SENT_AGAIN_MAX = 3  # 1.4 s where an answer takes milliseconds, 7 s where it takes one: TCP begins with what is usual on this line
PIDFD_GETFD = 438  # Python has no name for it; the same on all that runs CPython today
RETRANSMITS = 2  # its byte in struct tcp_info (linux/tcp.h)


class Silence:
    def __init__(self, pid: int, port: int) -> None:
        """Raises OSError: the system forbids it."""
        self._pid, self._port = pid, port
        self._numbers = [number for number in _open_files(pid) if self._is_ours(number)] if sys.platform == "linux" else []

    def cut_if_lost(self) -> bool:
        """Raises OSError: the system forbids it."""
        return any(self._cut_if_lost(number) for number in list(self._numbers))

    # ── the rest is private ──

    def _cut_if_lost(self, number: int) -> bool:
        with self._borrowed(number) as shared:
            if shared is None or _sent_again(shared) < SENT_AGAIN_MAX:
                return False
            self._numbers.remove(number)
            with contextlib.suppress(OSError):  # closed by itself at this very moment
                shared.shutdown(socket.SHUT_RDWR)
            return True

    def _is_ours(self, number: int) -> bool:
        with self._borrowed(number) as shared:
            return shared is not None

    @contextlib.contextmanager
    def _borrowed(self, number: int) -> Iterator[socket.socket | None]:
        """The open file of that number, when it is a connection to the port: another one may bear it by now."""
        shared = _shared(self._pid, number)
        if shared is None:
            yield None
            return
        with shared:
            yield shared if _port_of_peer(shared) == self._port else None


def _sent_again(shared: socket.socket) -> int:
    """How often in a row the same was sent."""
    return shared.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, RETRANSMITS + 1)[RETRANSMITS]


def _open_files(pid: int) -> list[int]:
    try:
        return sorted(int(path.name) for path in Path(f"/proc/{pid}/fd").iterdir())
    except FileNotFoundError:  # it has ended
        return []


def _shared(pid: int, number: int) -> socket.socket | None:
    """None: no socket, closed meanwhile, or its process has ended. Raises OSError."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return None
    try:
        got = ctypes.CDLL(None, use_errno=True).syscall(PIDFD_GETFD, process, number, 0)
        why = ctypes.get_errno()
    finally:
        os.close(process)
    if got < 0 and why not in (errno.EBADF, errno.ESRCH):
        raise OSError(why, os.strerror(why))
    if got >= 0 and stat.S_ISSOCK(os.fstat(got).st_mode):
        return socket.socket(fileno=got)
    if got >= 0:
        os.close(got)
    return None


def _port_of_peer(shared: socket.socket) -> int:
    try:
        peer = shared.getpeername()
    except OSError:  # it listens, or is cut already
        return 0
    return peer[1] if shared.type == socket.SOCK_STREAM and shared.family in (socket.AF_INET, socket.AF_INET6) else 0
