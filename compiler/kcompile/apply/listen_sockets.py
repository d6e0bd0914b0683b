"""The sockets that are held: opened as a file asks, kept over a reload, tried again if taken."""

from __future__ import annotations

import errno
import os
import selectors
import socket
from collections.abc import Mapping
from typing import Callable

from kcompile.apply.listen_file import BOTH, Place, Use

_IPV6_FREEBIND = 78  # linux/in6.h; Python has no name for it
_IP_FREEBIND = 15  # linux/in.h
_BACKLOG = 4096  # connects within one turn of the loop; more are cut by net.core.somaxconn
_NO_IPV6 = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)

Accept = Callable[[socket.socket, Place], None]
"""Called when clients wait at a TCP socket."""


class Sockets:
    """`uses` says what each place is for, `taken` why a place could not be had."""

    def __init__(self, selector: selectors.BaseSelector, accept: Accept) -> None:
        self._selector = selector
        self._accept = accept
        self._held: dict[Place, socket.socket] = {}
        self.uses: Mapping[Place, Use] = {}
        self.taken: dict[Place, str] = {}

    def hold(self, uses: Mapping[Place, Use]) -> None:
        """Close what is not wanted any more, open what is new; what stays is not touched."""
        for place in [place for place in self._held if place not in uses]:
            self._close(place)
        self.uses = uses
        self.taken = {}
        self.retry()

    def retry(self) -> bool:
        """Open what is wanted and not held. Whether anything was opened."""
        before = len(self._held)
        for place in self.uses:
            if place not in self._held:
                self._open(place)
        return len(self._held) > before

    def close(self) -> None:
        for place in list(self._held):
            self._close(place)

    def _open(self, place: Place) -> None:
        try:
            opened = _open(place)
        except OSError as error:
            self.taken[place] = _why(place, error)
            return
        self.taken.pop(place, None)
        self._held[place] = opened
        if place.protocol == "TCP":
            self._selector.register(
                opened, selectors.EVENT_READ, lambda ready: self._accept(ready, place)
            )

    def _close(self, place: Place) -> None:
        held = self._held.pop(place)
        if place.protocol == "TCP":
            self._selector.unregister(held)
        held.close()


def port_name(place: Place) -> str:
    """As messages name it: 30000/TCP, with the address if it is not all."""
    return f"{place.port}/{place.protocol}" + (f" of {place.address}" if place.address else "")


def _open(place: Place) -> socket.socket:
    if place.family != BOTH:
        return _bound(place, place.family, only_ipv6=True)
    try:
        return _bound(place, 6, only_ipv6=False)
    except OSError as error:
        if error.errno not in _NO_IPV6:
            raise
        return _bound(place, 4, only_ipv6=False)


def _bound(place: Place, family: int, *, only_ipv6: bool) -> socket.socket:
    tcp = place.protocol == "TCP"
    kind = socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM
    opened = socket.socket(socket.AF_INET6 if family == 6 else socket.AF_INET, kind)
    try:
        opened.setblocking(False)
        if family == 6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(only_ipv6))
        if place.address:
            # After a boot the node may get its addresses later.
            _free_bind(opened, family)
        if tcp:
            # Connections of an earlier daemon that are not quite gone do not count.
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        else:
            # Nobody reads: what comes is dropped, and should take no memory.
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 0)
        opened.bind((place.address, place.port))
        if tcp:
            opened.listen(_BACKLOG)
    except OSError:
        opened.close()
        raise
    return opened


def _free_bind(opened: socket.socket, family: int) -> None:
    if family == 6:
        opened.setsockopt(socket.IPPROTO_IPV6, _IPV6_FREEBIND, 1)
    else:
        opened.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)


def _why(place: Place, error: OSError) -> str:
    name = f"port {port_name(place)}"
    if error.errno == errno.EADDRINUSE:
        return f"{name} is taken by another program"
    if error.errno == errno.EACCES:
        return f"{name} takes the capability CAP_NET_BIND_SERVICE"
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return f"{name} is one too many for the limit of open files (LimitNOFILE=, ulimit -n)"
    return f"{name} cannot be had: {os.strerror(error.errno or 0)}"
