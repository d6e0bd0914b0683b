"""What a container runtime does to give a pod its network: it calls the plugins of a network
configuration list by the CNI specification (1.0.0, sections 2 and 4), one after the other."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Literal

Command = Literal["ADD", "CHECK", "DEL"]
Way = Literal["ips", "args"]
"""How a pod's addresses are stated: as the capability argument `ips`, or as IP in CNI_ARGS."""

FOLDERS = "/usr/lib/cni:/opt/cni/bin:/usr/libexec/cni"  # Debian's, the project's, Fedora's
DEVICE = "eth0"


class CniError(OSError):
    pass


def plugin(name: str) -> str | None:
    return shutil.which(name, path=FOLDERS)


def conflist(runtime: Path) -> Any:
    (file,) = (runtime / "cni").iterdir()
    return json.loads(file.read_text())


def call(
    command: Command,
    network: Any,
    pod: Any,
    netns: str,
    *,
    way: Way,
    result: Any = None,
) -> Any:
    """`pod` is one of pods.json; the result of ADD, which CHECK and DEL want back. It runs in the
    network namespace of the caller, the node's. Raises CniError."""
    plugins = network["plugins"] if command != "DEL" else reversed(network["plugins"])
    for each in plugins:
        stdin = _configuration(network, each, {"ips": pod["addresses"]} if way == "ips" else {})
        if result is not None:
            stdin["prevResult"] = result
        output = _run(command, each["type"], stdin, _environment(pod, netns, way))
        result = output if command == "ADD" else result
    return result


def _configuration(network: Any, plugin: Any, arguments: dict[str, Any]) -> Any:
    """A plugin is given the capability arguments that it says it has."""
    own = {key: value for key, value in plugin.items() if key != "capabilities"}
    known = {key for key, has in plugin.get("capabilities", {}).items() if has}
    given = {key: value for key, value in arguments.items() if key in known}
    common = {"cniVersion": network["cniVersion"], "name": network["name"]}
    return own | common | ({"runtimeConfig": given} if given else {})


def _environment(pod: Any, netns: str, way: Way) -> dict[str, str]:
    """The arguments are those of containerd and CRI-O, and perhaps the addresses."""
    arguments = {
        "IgnoreUnknown": "1",
        "K8S_POD_NAMESPACE": pod["namespace"],
        "K8S_POD_NAME": pod["name"],
        **({"IP": ",".join(pod["addresses"])} if way == "args" else {}),
    }
    return {
        "CNI_CONTAINERID": f"{pod['namespace']}_{pod['name']}",
        "CNI_NETNS": netns,
        "CNI_IFNAME": DEVICE,
        "CNI_ARGS": ";".join(f"{key}={value}" for key, value in arguments.items()),
        "CNI_PATH": FOLDERS,
    }


def _run(command: Command, type_: str, stdin: Any, environment: dict[str, str]) -> Any:
    done = subprocess.run(
        [plugin(type_) or type_],
        input=json.dumps(stdin),
        env=os.environ | environment | {"CNI_COMMAND": command},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    if done.returncode:
        raise CniError(f"{type_} {command}: {done.stdout} {done.stderr}")
    return json.loads(done.stdout) if done.stdout.strip() else None
