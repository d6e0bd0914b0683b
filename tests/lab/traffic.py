"""A client that never rests: while something changes it asks again and again, and keeps
connections open. `python -m lab.traffic FILE` runs until it is told to end (SIGTERM), and then
writes a report to where its output goes.

FILE: {"ask": [[address, port, protocol], ...], "pause": seconds, "keep": [[address, port], ...]}.
"""

import json
import signal
import socket
import struct
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from lab.describe import family_of
from lab.probe import TCPI_TOTAL_RETRANS
from lab.serve import HOLD, SOCKET_FAMILIES, STREAM

PATIENCE = 10.0  # seconds; a machine that is busy may take some, a lost packet takes all
# A lost segment is sent again after 0.2 seconds, the first one after a second. What was sent twice and
# answered sooner was only late, on a busy machine. A lost UDP packet is never sent again.
LOST = 0.15  # seconds
SIP = 0.005  # seconds between two reads of a download, so that it lasts


class Download(threading.Thread):
    """A download without end and, beside it, a connection that says nothing until it is asked."""

    def __init__(self, address: str, port: int) -> None:
        super().__init__(daemon=True)
        self.at = (address, port)
        self.stream = _connect(address, port, STREAM)
        self.idle = _connect(address, port, HOLD)
        self.size, self.longest, self.last = 0, 0.0, time.monotonic()
        self.trouble = ""

    def run(self) -> None:
        try:
            while chunk := self.stream.recv(16384):
                now = time.monotonic()
                self.longest = max(self.longest, now - self.last)
                self.size, self.last = self.size + len(chunk), now
                time.sleep(SIP)
            self.trouble = "closed"
        except OSError as error:
            self.trouble = str(error)

    def report(self) -> dict[str, Any]:
        return {
            "at": self.at,
            "size": self.size,
            "longest": max(self.longest, time.monotonic() - self.last),
            "trouble": self.trouble or self._wake(),
        }

    def _wake(self) -> str:
        try:
            self.idle.sendall(b"still there?")
            return "" if self.idle.recv(100) == b"still there?" else "the idle one: closed"
        except OSError as error:
            return f"the idle one: {error}"


class Asking:
    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.answers: Counter[str] = Counter()
        self.failures: list[list[Any]] = []
        self.resent: list[list[Any]] = []

    def ask(self, address: str, port: int, protocol: str) -> None:
        self.asked[f"{address} {port} {protocol}"] += 1
        kind = socket.SOCK_STREAM if protocol == "TCP" else socket.SOCK_DGRAM
        started = time.time()
        with socket.socket(SOCKET_FAMILIES[family_of(address)], kind) as connection:
            connection.settimeout(PATIENCE)
            try:
                connection.connect((address, port))
                connection.send(b"who are you\n")
                answer = connection.recv(4096)
                if protocol == "TCP":
                    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
                    resent = struct.unpack_from("=I", info, TCPI_TOTAL_RETRANS)[0]
                    after = round(time.time() - started, 3)
                    if resent and after > LOST:
                        self.resent.append([started, address, port, after, resent])
                self.answers[json.loads(answer)["pod"]] += 1
            except (OSError, ValueError) as error:
                after = round(time.time() - started, 3)
                self.failures.append([started, address, port, protocol, after, str(error)])


def _connect(address: str, port: int, request: bytes) -> socket.socket:
    connection = socket.create_connection((address, port), PATIENCE)
    connection.sendall(request)
    return connection


def main() -> None:
    wanted = json.loads(Path(sys.argv[1]).read_text())
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    downloads = [Download(*at) for at in wanted["keep"]]
    for download in downloads:
        download.start()
    asking = Asking()
    while not ended.is_set():
        for target in wanted["ask"]:
            asking.ask(*target)
            time.sleep(wanted["pause"])
        ended.wait(0.0 if wanted["ask"] else 0.05)
    kept = [download.report() for download in downloads]
    print(json.dumps(vars(asking) | {"kept": kept}), flush=True)


if __name__ == "__main__":
    main()
