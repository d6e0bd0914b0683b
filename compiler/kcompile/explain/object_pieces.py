"""Parts that several kinds of Kubernetes objects have."""

from collections.abc import Iterable

from kcompile.explain.contents import Container, ContainerPort, LonePod, Workload
from kcompile.labels import Labels

Object = dict[str, object]


def metadata(namespace: str, name: str, labels: Labels) -> Object:
    return {
        "name": name,
        **({"namespace": namespace} if namespace else {}),
        **({"labels": dict(labels)} if labels else {}),
    }


def named(name: str) -> Object:
    return {"name": name} if name else {}


def pod_spec(owner: Workload | LonePod) -> Object:
    """Sidecars are init containers that keep running."""
    sidecars = [_container(each) | {"restartPolicy": "Always"} for each in owner.sidecars]
    containers = [_container(each) for each in owner.containers]
    return {
        "containers": containers,
        **({"initContainers": sidecars} if sidecars else {}),
    }


def _container(container: Container) -> Object:
    ports = _container_ports(container.ports)
    return {"name": container.name, "image": container.image, **({"ports": ports} if ports else {})}


def _container_ports(ports: Iterable[ContainerPort]) -> list[Object]:
    return [
        {**named(port.name), "containerPort": port.container_port, "protocol": port.protocol}
        for port in ports
    ]
