"""The keys that podman-systemd.unit(5) of podman 5.4 documents, the oldest that units are for: its
netavark, 1.14, is the first that knows mode=unmanaged.

Keys that came later, such as InterfaceName= of networks with 5.6, make its generator refuse a unit.
"""

PODMAN = {
    "Network": frozenset(
        {
            "ContainersConfModule",
            "DNS",
            "DisableDNS",
            "Driver",
            "Gateway",
            "GlobalArgs",
            "IPAMDriver",
            "IPRange",
            "IPv6",
            "Internal",
            "Label",
            "NetworkName",
            "Options",
            "PodmanArgs",
            "Subnet",
        }
    ),
    "Kube": frozenset(
        {
            "AutoUpdate",
            "ConfigMap",
            "ContainersConfModule",
            "ExitCodePropagation",
            "GlobalArgs",
            "KubeDownForce",
            "LogDriver",
            "Network",
            "PodmanArgs",
            "PublishPort",
            "SetWorkingDirectory",
            "UserNS",
            "Yaml",
        }
    ),
}
SYSTEMD = {
    "Unit": frozenset({"After", "Description"}),
    "Service": frozenset({"ExecStartPost", "TimeoutStartSec"}),
    "Install": frozenset({"WantedBy"}),
}
"""What units use of systemd.unit(5) and systemd.service(5)."""
