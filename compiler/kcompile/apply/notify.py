"""Telling systemd how a service does (sd_notify(3)); nobody listens where it does not run."""

from __future__ import annotations

import os
import socket
import time


def notify(*lines: str) -> None:
    """Send NAME=VALUE lines to the service manager that started this process, if one did."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.setblocking(False)
            channel.sendto("\n".join(lines).encode(), address)
    except OSError:
        # A manager that does not listen is no reason to stop serving.
        return


def reloading() -> None:
    """As Type=notify-reload wants it: with the time, so that READY=1 is known to be later."""
    notify("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")
