"""A lab from the outside: `with Cluster(lab) as cluster: cluster.probe([...])`."""

import json
import os
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from lab.describe import Lab, Probe, to_json
from lab.needs import search_path


class LabError(AssertionError):
    """The lab did not come up, or could not do what a test asked."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Who answered, on which address and port of its own, and the source that it saw."""

    pod: str
    address: str
    port: int
    source: str


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a probe's connections."""

    answers: dict[Answer, int]  # -> connections
    failures: dict[str, int]  # name of the errno -> connections
    resent: int  # TCP segments that were sent again

    @property
    def by_pod(self) -> Counter[str]:
        counts: Counter[str] = Counter()
        for answer, count in self.answers.items():
            counts[answer.pod] += count
        return counts

    @property
    def sources(self) -> set[str]:
        return {answer.source for answer in self.answers}


@dataclass(frozen=True, slots=True)
class Done:
    status: int
    out: str
    err: str


class Cluster:
    """The process behind it ends with this object, or with the test run, and all else with it."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "lab.world", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env=os.environ
                | {"PYTHONPATH": str(Path(__file__).parents[1]), "PATH": search_path()},
            )
        with ours:
            self._stream = ours.makefile("rw")
        reply = self._ask(to_json(lab))
        self.missing: list[str] = reply["missing"]
        if reply["errors"]:
            self.close()
            raise LabError("\n".join(reply["errors"]))

    def probe(self, probes: Sequence[Probe]) -> list[Result]:
        """All at once; one result a probe, in order."""
        answers = self._request({"probe": [asdict(probe) for probe in probes]})
        return [
            Result(
                {Answer(*who): count for *who, count in answer["answers"]},
                answer["failures"],
                answer["resent"],
            )
            for answer in answers
        ]

    def load(self, lab: Lab) -> None:
        """The rules of another bundle of this cluster, in the place of those that are loaded."""
        errors = self._request({"load": to_json(lab)})
        if errors:
            raise LabError("\n".join(errors))

    def run(self, name: str, argv: Sequence[str], timeout: float = 20.0) -> Done:
        """A program in a pod (with its resolv.conf), a node or another host."""
        return Done(**self._request({"run": [name, list(argv)], "timeout": timeout}))

    def start(self, name: str, argv: Sequence[str], log: Path) -> int:
        """The process's number, as programs in the lab know it."""
        return int(self._request({"start": [name, list(argv)], "log": str(log)})["pid"])

    def cni(self, command: Literal["ADD", "CHECK", "DEL"], pod: str) -> Any:
        """What the real plugins answer; raises LabError with what they say is wrong."""
        return self._request({"cni": command, "pod": pod})

    def on_host(
        self,
        node: str,
        argv: Sequence[str],
        stdin: str = "",
        *,
        timeout: float = 60.0,
        env: Mapping[str, str] | None = None,
    ) -> Done:
        """A program on a node that has files and processes of its own (hosts.py)."""
        request = {"host": node, "run": list(argv), "stdin": stdin, "timeout": timeout}
        return Done(**self._request(request | {"env": dict(env or {})}))

    def start_on_host(self, node: str, argv: Sequence[str], log: Path) -> None:
        self._request({"host": node, "start": list(argv), "log": str(log)})

    def reboot(self, node: str) -> None:
        """The node's processes end and its /run is lost; /etc and /var stay, and so does its
        network: who wants that gone takes it away."""
        self._request({"host": node, "reboot": True})

    def close(self) -> None:
        self._stream.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _request(self, request: dict[str, Any]) -> Any:
        reply = self._ask(json.dumps(request))
        if "failed" in reply:
            raise LabError(reply["failed"])
        return reply["answer"]

    def _ask(self, line: str) -> Any:
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
            reply = self._stream.readline()
        except OSError as error:
            raise LabError(f"the lab's process is gone: {error}") from error
        if not reply:
            raise LabError("the lab's process is gone")
        return json.loads(reply)
