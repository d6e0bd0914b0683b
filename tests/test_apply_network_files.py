"""What is read of a slice's network, what lies in /etc, kernel modules, and images."""

import re
from pathlib import Path

import pytest

from apply_network import machine, network_slice, slice_of
from kcompile.apply.failures import CommandError, NodeError, RefusedError
from kcompile.apply.network import converge, differences, extend, notices
from kcompile.apply.network.wanted import Route, read_wanted
from kcompile.apply.slices import Slice

GOLDEN = Path(__file__).parent.parent / "golden"
NODES = sorted(GOLDEN.glob("*/*/expected/bundle/nodes/*"))
SYSCTL, MODULES = "/etc/sysctl.d/90-kcompile.conf", "/etc/modules-load.d/kcompile.conf"
NETWORKD = "/etc/systemd/networkd.conf.d/kcompile.conf"

HOSTILE = {
    "network/links.batch": [
        "link add eth0 type bridge",
        "link add kcompile0 type dummy",
        "link set kcompile0 down",
        "link del kcompile0",
        "link set kcompile0 up ",
        "link set kcompile0 up\\",
        "link add kcompile0 type bridge\r",
        "link add kcompile0 type bridge",
        "link set kcompile0 up\nlink set kcompile0 up",
        "link add kcompile\u0660 type bridge",
    ],
    "network/addresses.batch": [
        "addr replace 169.254.20.10/24 dev lo scope host",
        "addr replace 169.254.20.10/32 dev eth0 scope host",
        "addr replace 169.254.20.010/32 dev lo scope host",
        "addr replace 169.254.20.10/32 dev lo scope global",
        "addr replace fd00::1/32 dev lo scope host",
        "addr replace fd00:0::1/128 dev lo preferred_lft 0",
        "addr flush dev lo",
    ],
    "network/routes.batch": [
        "route replace 0.0.0.0/0 via 192.0.2.1",
        "route replace ::/0 via fd00::1",
        "route replace default via 192.0.2.1",
        "route replace 10.0.0.1/8 via 192.0.2.1",
        "route replace 10.0.0.0/33 via 192.0.2.1",
        "route replace 10.0.0.0/8 via fd00::1",
        "route replace 10.0.0.0/8 via 192.0.2.300",
        "route replace 10.0.0.0/8 dev eth0",
        "route replace 10.0.0.0/8 dev kcompile1",
        "route replace 10.0.0.0/8",
        "route replace 10.0.0.0/8 src 192.0.2.1",
        "route replace 10.0.0.0/8 via 192.0.2.1 table local",
        "route replace 10.0.0.0/8 via 192.0.2.1 mtu 1279",
        "route replace 10.0.0.0/8 via 192.0.2.1 mtu 65536",
        "route replace 10.0.0.0/8 via 192.0.2.1 mtu 01420",
        "route replace 10.0.0.0/8 via 192.0.2.1 mtu lock 1420",
        "route flush table main",
        "route replace 10.0.0.0/8 via 192.0.2.1\nroute replace 10.0.0.0/8 via 192.0.2.2",
    ],
    "sysctl.d/90-kcompile.conf": [
        "kernel.core_pattern = |/tmp/x",
        "kernel.core_pattern = 1",
        "net.ipv4.ip_forward = 0",
        "net.ipv4.ip_forward=1",
        "net/ipv4/ip_forward = 1",
        "-net.ipv4.ip_forward = 1",
        "# a comment?\rkernel.core_pattern = |/tmp/x",
        "# a comment?\0kernel.core_pattern = |/tmp/x",
        "# caf\u00e9",
        " # indented",
        "; another comment",
        "net.ipv4.ip_forward = 1\nnet.ipv4.ip_forward = 1",
    ],
    "modules-load.d/kcompile.conf": ["evil", "br_netfilter x=1", "br_netfilter\nbr_netfilter"],
}


def installed(node: Path) -> Slice:
    files = {str(file.relative_to(node)): file for file in node.rglob("*") if file.is_file()}
    return Slice(
        node.name, None, node.parent.parent, {f"nodes/{node.name}/{name}": "" for name in files}
    )


def test_every_golden_is_read_whole() -> None:
    assert len(NODES) > 50
    for node in NODES:
        wanted = read_wanted(installed(node))
        for name, lines in (
            ("network/links.batch", 2 * len(wanted.links)),
            ("network/addresses.batch", len(wanted.addresses)),
            ("network/routes.batch", len(wanted.routes)),
            ("sysctl.d/90-kcompile.conf", len(wanted.sysctls)),
            ("modules-load.d/kcompile.conf", len(wanted.modules)),
        ):
            text = (node / name).read_text() if (node / name).exists() else ""
            assert len(re.findall(r"^[^#]", text, re.MULTILINE)) == lines, node


def test_a_route_and_its_words(tmp_path: Path) -> None:
    text = "route replace 10.0.0.0/8 via 192.0.2.1 dev kcompile0 src 192.0.2.7 mtu 1420\n"
    (route,) = read_wanted(network_slice(tmp_path, text)).routes
    assert route == Route("10.0.0.0/8", "192.0.2.1", "kcompile0", "192.0.2.7", "1420")
    assert f"route replace {route.words}\n" == text


@pytest.mark.parametrize(
    ("name", "text"), [(name, text) for name, texts in HOSTILE.items() for text in texts]
)
def test_lines_that_no_build_writes_are_refused(name: str, text: str, tmp_path: Path) -> None:
    links = {} if "links" in name else {"network/links.batch": LINKS}
    with pytest.raises(RefusedError, match=rf"^{re.escape(name)} of the slice ") as refused:
        read_wanted(slice_of(tmp_path, {**links, name: text + "\n"}))
    assert str(refused.value).isascii()
    assert str(refused.value).isprintable()


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    slice_ = slice_of(tmp_path, {"sysctl.d/90-kcompile.conf": ""})
    (tmp_path / "nodes/a/sysctl.d/90-kcompile.conf").write_bytes(b"# \xff\n")
    with pytest.raises(RefusedError, match="is no text"):
        read_wanted(slice_)


LINKS = "link add kcompile0 type bridge\nlink set kcompile0 up\n"


def test_an_image_gets_files_only(tmp_path: Path) -> None:
    image = machine(tmp_path / "root", live=False)
    wanted = network_slice(tmp_path / "1", "route replace 10.0.0.0/8 via 192.0.2.1\n")
    assert [each.what for each in differences(image, None, wanted)] == [SYSCTL, MODULES]
    extend(image, None, wanted)
    converge(image, None, wanted)
    assert differences(image, wanted, wanted) == ()
    assert image.path(SYSCTL).read_text() == wanted.own("sysctl.d/90-kcompile.conf")
    assert image.path(MODULES).read_text() == wanted.own("modules-load.d/kcompile.conf")
    converge(image, wanted, None)
    assert not image.path(SYSCTL).exists()
    assert not image.path(MODULES).exists()
    assert image.ran == []
    assert notices(image, wanted, wanted) == ()


def test_an_operators_file_is_refused(tmp_path: Path) -> None:
    image = machine(tmp_path / "root", live=False)
    wanted = network_slice(tmp_path / "1")
    image.path("/etc/sysctl.d").mkdir(parents=True)
    image.path(SYSCTL).write_text("net.ipv4.ip_forward = 0\n")
    image.path("/etc/modules-load.d").mkdir()
    image.path(MODULES).symlink_to("/dev/null")  # how an operator turns such a file off
    with pytest.raises(RefusedError) as refused:
        converge(image, None, wanted)
    assert str(refused.value) == (
        f"{SYSCTL} is there, and not kcompile's: rename it, or take its lines over; "
        f"{MODULES} is there, and not kcompile's: rename it, or take its lines over"
    )
    assert image.path(MODULES).is_symlink()


def test_an_operators_file_in_place_of_ours_is_left_and_reported(tmp_path: Path) -> None:
    """Not refused: after a reboot, everything else is to come back."""
    image = machine(tmp_path / "root", live=False)
    wanted = network_slice(tmp_path / "1")
    converge(image, None, wanted)
    image.path(SYSCTL).write_text("net.ipv4.ip_forward = 0\n")
    converge(image, wanted, wanted)
    assert [each.what for each in differences(image, wanted, wanted)] == [SYSCTL]
    with pytest.raises(RefusedError, match="is there, and not kcompile's"):
        extend(image, wanted, network_slice(tmp_path / "2", sysctls="net.ipv4.ip_forward = 1\n"))
    converge(image, wanted, None)
    assert image.path(SYSCTL).read_text() == "net.ipv4.ip_forward = 0\n"


def test_an_edited_file_is_put_right_and_a_copied_one_given_back(tmp_path: Path) -> None:
    image = machine(tmp_path / "root", live=False)
    wanted = network_slice(tmp_path / "1")
    image.path("/etc/sysctl.d").mkdir(parents=True)
    copied = "# sysctl.d file, written by kcompile.\nnet.ipv4.ip_forward = 1\n"
    image.path(SYSCTL).write_text(copied)
    converge(image, None, wanted)
    image.path(SYSCTL).write_text(copied + "# edited\n")
    (found,) = differences(image, wanted, wanted)
    assert (found.what, found.detail) == (SYSCTL, "is not as kcompile left it")
    converge(image, wanted, wanted)
    assert image.path(SYSCTL).read_text() == wanted.own("sysctl.d/90-kcompile.conf")
    converge(image, wanted, None)
    assert image.path(SYSCTL).read_text() == copied


def test_networkd_is_told_to_leave_routes_alone(tmp_path: Path) -> None:
    image = machine(tmp_path / "root", live=False)
    wants = image.path("/etc/systemd/system/multi-user.target.wants")
    wants.mkdir(parents=True)
    (wants / "systemd-networkd.service").symlink_to("/lib/systemd/system/systemd-networkd.service")
    wanted = network_slice(tmp_path / "1", "route replace 10.0.0.0/8 via 192.0.2.1\n")
    (notice,) = notices(image, None, wanted)
    assert NETWORKD in notice
    converge(image, None, wanted)
    assert notices(image, wanted, wanted) == ()
    assert image.path(NETWORKD).read_text().endswith("\n[Network]\nManageForeignRoutes=no\n")
    (wants / "systemd-networkd.service").unlink()
    assert differences(image, wanted, wanted) == ()
    converge(image, wanted, None)
    assert not image.path(NETWORKD).exists()


def kernel(folder: Path, monkeypatch: pytest.MonkeyPatch, modprobe: str) -> Path:
    """A machine whose kernel is made of files, and whose modprobe is this script."""
    root = folder / "root"
    machine(root)
    (root / "proc").unlink()
    (root / "sys").unlink()
    forward = root / "proc/sys/net/ipv4/ip_forward"
    forward.parent.mkdir(parents=True)
    forward.write_text("1\n")
    programs = folder / "bin"
    programs.mkdir()
    for name, text in {"modprobe": modprobe, "ip": "echo '[]'"}.items():
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    return root


def sysctl_slice(folder: Path) -> Slice:
    text = "net.bridge.bridge-nf-call-iptables = 1\nnet.ipv4.ip_forward = 1\n"
    return slice_of(
        folder,
        {
            "sysctl.d/90-kcompile.conf": text,
            "modules-load.d/kcompile.conf": "br_netfilter\n",
        },
    )


def test_a_module_is_loaded_before_its_settings_are_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bridge = tmp_path / "root/proc/sys/net/bridge"
    script = (
        f'[ "$1" = --dry-run ] || {{ mkdir {bridge}; echo 0 >{bridge}/bridge-nf-call-iptables; }}'
    )
    host = type(machine(tmp_path / "x"))(kernel(tmp_path, monkeypatch, script))
    wanted = sysctl_slice(tmp_path / "1")
    assert [each.what for each in differences(host, None, wanted)] == [
        "module br_netfilter",
        "net.bridge.bridge-nf-call-iptables",
        SYSCTL,
        MODULES,
    ]
    converge(host, None, wanted)
    assert host.ran == ["modprobe br_netfilter"]
    assert (bridge / "bridge-nf-call-iptables").read_text().strip() == "1"
    assert differences(host, wanted, wanted) == ()
    converge(host, wanted, None)
    # The module stays; without it, bridged packets would pass no rules.
    assert (bridge / "bridge-nf-call-iptables").read_text().strip() == "0"


def test_a_module_that_the_kernel_has_not_is_a_notice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = type(machine(tmp_path / "x"))(kernel(tmp_path, monkeypatch, "exit 1"))
    wanted = sysctl_slice(tmp_path / "1")
    converge(host, None, wanted)
    assert host.ran == []
    assert differences(host, wanted, wanted) == ()
    (notice,) = notices(host, wanted, wanted)
    assert notice.startswith("This kernel has no module br_netfilter: ")


def test_a_module_that_cannot_be_loaded_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = '[ "$1" = --dry-run ] || { echo "Operation not permitted" >&2; exit 1; }'
    host = type(machine(tmp_path / "x"))(kernel(tmp_path, monkeypatch, script))
    with pytest.raises(CommandError, match=r"modprobe br_netfilter failed .* not permitted"):
        converge(host, None, sysctl_slice(tmp_path / "1"))


def test_a_module_that_does_not_work_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = type(machine(tmp_path / "x"))(kernel(tmp_path, monkeypatch, "exit 0"))
    with pytest.raises(NodeError, match=r"^this kernel has no setting net\.bridge\.bridge-nf-call"):
        converge(host, None, sysctl_slice(tmp_path / "1"))


def test_ipv6_that_is_turned_off_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = type(machine(tmp_path / "x"))(kernel(tmp_path, monkeypatch, "exit 1"))
    wanted = slice_of(
        tmp_path / "1", {"sysctl.d/90-kcompile.conf": "net.ipv6.conf.all.forwarding = 1\n"}
    )
    with pytest.raises(RefusedError, match=r"no such setting: its IPv6 is turned off"):
        extend(host, None, wanted)
