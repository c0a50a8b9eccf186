"""Where the server listens. Its sockets are opened before any model is loaded; a place that is taken is an error."""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torchless.errors import TorchlessError

BACKLOG = 1024
_CONNECT_S = 1.0


class ListenError(TorchlessError):
    """The server cannot listen at its address."""

    def __init__(self, address: str, problem: str) -> None:
        super().__init__(f"cannot listen on {address}: {problem}.")


def listen_tcp(host: str, port: int) -> list[socket.socket]:
    """One listening socket for each address of a host; with port 0 all have the same free port.

    Raises:
        ListenError: the host is unknown, or the port is taken or not allowed.
    """
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    sockets: list[socket.socket] = []
    try:
        found = dict.fromkeys(socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE))
        for family, _, _, _, place in found:
            if sockets and port == 0:
                place = (place[0], sockets[0].getsockname()[1], *place[2:])
            if (made := _bound(family, place, alone=len(found) == 1)) is not None:
                sockets.append(made)
    except (OSError, UnicodeError) as error:
        for each in sockets:
            each.close()
        raise ListenError(address, _reason(error)) from error
    if not sockets:
        raise ListenError(address, "this machine has no such address")
    return sockets


def listen_unix(path: str) -> socket.socket:
    """A listening Unix socket, in place of one that an ended server has left there; all users may connect.

    Raises:
        ListenError: another server answers there, there is something that is no socket, or it cannot be made.
    """
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _alone_in(os.path.dirname(path) or "."):  # noqa: PTH120
            mode = _remove_stale(path)
            made.bind(path)
            os.chmod(path, mode)  # noqa: PTH101
            made.listen(BACKLOG)
    except (OSError, ValueError) as error:
        made.close()
        raise ListenError(path, _reason(error)) from error
    made.setblocking(False)
    return made


def shown_address(listener: socket.socket) -> str:
    """A listening socket's path or URL."""
    name = listener.getsockname()
    if isinstance(name, str):
        return name
    return f"http://[{name[0]}]:{name[1]}" if ":" in name[0] else f"http://{name[0]}:{name[1]}"


@contextmanager
def _alone_in(folder: str) -> Iterator[None]:
    """Of servers that start at the same time, one alone looks and binds."""
    import fcntl  # not on Windows, which has no Unix sockets in Python either

    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _remove_stale(path: str) -> int:
    """Remove the socket of an ended server; returns the permissions for the new one, which are those of the old."""
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116
    except FileNotFoundError:
        return 0o666
    if not stat.S_ISSOCK(mode):
        raise OSError(errno.EEXIST, "there is something that is no socket")
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(_CONNECT_S)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)  # noqa: PTH108
            return stat.S_IMODE(mode)
        except BlockingIOError:  # its backlog is full
            pass
    raise OSError(errno.EADDRINUSE, "another server answers there")


def _bound(family: int, place: Any, *, alone: bool) -> socket.socket | None:
    """A listening socket; None where IPv6 is turned off. `::` alone takes IPv4 too, as in most servers."""
    try:
        made = socket.socket(family, socket.SOCK_STREAM)
    except OSError:
        return None
    try:
        if os.name == "posix":
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if alone and place[0] == "::" else 1)
        made.bind(place)
        made.listen(BACKLOG)
    except OSError as error:
        made.close()
        if family == socket.AF_INET6 and error.errno == errno.EADDRNOTAVAIL:
            return None
        raise
    made.setblocking(False)
    return made


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
