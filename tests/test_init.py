"""`kcompile init`: lists of hosts and inventories in, Node documents out."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cli_runs import KCOMPILE, process
from command_line import Answer, kcompile
from kcompile.inventory import Wanted, draft
from kcompile.load import load
from kcompile.model import Node
from kcompile.problems import InputError, Severity
from kcompile.validate import validate
from notation import deployment, service


class Init:
    """Runs `kcompile init` in a folder of its own."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.capsys = capsys

    def __call__(self, *arguments: str) -> Answer:
        return kcompile(["init", *arguments], self.capsys)

    def of(self, text: str, *arguments: str, name: str = "hosts") -> Answer:
        """With an inventory that holds the text."""
        (self.folder / name).write_text(text)
        return self("--inventory", name, *arguments)


@pytest.fixture
def init(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Init:
    monkeypatch.chdir(tmp_path)
    return Init(tmp_path, capsys)


def nodes(answer: Answer) -> dict[str, Any]:
    """The Node documents by name."""
    assert answer.code == 0, answer.err
    documents = [each for each in yaml.safe_load_all(answer.out) if each]
    return {each["metadata"]["name"]: each for each in documents if each["kind"] == "Node"}


def addresses(answer: Answer) -> dict[str, list[str]]:
    return {
        name: [each["address"] for each in node["status"]["addresses"]]
        for name, node in nodes(answer).items()
    }


# ---- what is read


def test_hosts_of_the_command_line_in_their_order(init: Init) -> None:
    answer = init("b=192.0.2.2", "a=192.0.2.1,2001:db8::1", "bare")
    assert list(nodes(answer)) == ["b", "a", "bare"]
    assert addresses(answer) == {
        "b": ["192.0.2.2"],
        "a": ["192.0.2.1", "2001:db8::1"],
        "bare": [],
    }
    assert "HOST:1:1: KC720: warning: 'bare' has no address" in answer.err
    assert "# NEEDS AN ADDRESS" in answer.out
    assert answer.err.endswith("init: 3 nodes, 1 without an address\n")


def test_ranges_ports_quotes_and_comments_of_ini(init: Init) -> None:
    answer = init.of("one:2222 ip=192.0.2.1\n[web]\nweb[08:10]\nrack-[a:c:2] # x\n[web:vars]\n"
        "node_labels = {\"tier\": \"web\", 'on': True}\n; more\n[all]\n'mail' ansible_host='192.0.2.9'\n192.0.2.7\n")  # fmt: skip
    found = nodes(answer)
    assert list(found) == [
        "one", "web08", "web09", "web10", "rack-a", "rack-c", "mail", "192.0.2.7"
    ]  # fmt: skip
    assert addresses(answer)["mail"] == ["192.0.2.9"]
    assert addresses(answer)["192.0.2.7"] == ["192.0.2.7"]
    labels = found["rack-c"]["metadata"]["labels"]
    assert (labels["tier"], labels["on"]) == ("web", "true")


YAML = """\
all:
  vars: {node_labels: {level: all, where: all}}
  children:
    outer:
      vars: {node_labels: {level: outer}}
      children:
        inner:
          vars: {ip: 192.0.2.1}
          hosts:
            n1:
            n2: {ip: 192.0.2.2, node_labels: {level: host, count: 3, none: null}}
    other:
      hosts: {"n[3:4]": }
"""


def test_groups_of_yaml_and_the_inner_word_is_the_last(init: Init) -> None:
    found = nodes(init.of(YAML, name="hosts.yml"))
    levels = {name: node["metadata"]["labels"].get("level") for name, node in found.items()}
    assert levels == {"n1": "outer", "n2": "host", "n3": "all", "n4": "all"}
    assert found["n2"]["metadata"]["labels"]["count"] == "3"
    assert found["n1"]["status"]["addresses"][0]["address"] == "192.0.2.1"
    assert list(nodes(init("--inventory", "hosts.yml", "--group", "inner"))) == ["n1", "n2"]


def test_the_deepest_group_has_the_last_word(init: Init) -> None:
    """As in Ansible, depth is the longest way out, whatever the number of groups around."""
    text = """\
[wide]
n1
[deep]
n1
[a:children]
wide
[b:children]
wide
[c:children]
wide
[d:children]
e
[e:children]
deep
[wide:vars]
ip=192.0.2.1
node_labels={'from': 'wide'}
ansible_group_priority=5
[deep:vars]
ip=192.0.2.2
"""
    answer = init.of(text)
    assert addresses(answer) == {"n1": ["192.0.2.2"]}
    assert nodes(answer)["n1"]["metadata"]["labels"]["from"] == "wide"
    assert "hosts:18:1: KC721: warning: ansible_group_priority of group 'wide'" in answer.err


def test_standard_input(init: Init) -> None:
    command = [*KCOMPILE, "init", "-", "n2=192.0.2.2"]
    answer = process(command, init.folder, given="192.0.2.1 n1\n")
    assert addresses(answer) == {"n2": ["192.0.2.2"], "n1": ["192.0.2.1"]}
    assert answer.err == "init: 2 nodes\n"


def test_what_ansible_inventory_prints(init: Init) -> None:
    text = """{"_meta": {"hostvars": {"n1": {"ip": "192.0.2.1"}, "n2": {"ip": "192.0.2.2"}}},
      "all": {"children": ["ungrouped", "kube_node"]},
      "kube_node": {"hosts": ["n1"]}, "ungrouped": {"hosts": ["n2"]}}"""
    assert addresses(init.of(text)) == {"n1": ["192.0.2.1"]}
    assert addresses(init("--inventory", "hosts", "--group", "all")) == {
        "n1": ["192.0.2.1"],
        "n2": ["192.0.2.2"],
    }


def test_control_planes_have_their_role_and_the_taint_as_a_comment(init: Init) -> None:
    answer = init.of("[kube_control_plane]\ncp ip=192.0.2.1\n[kube_node]\ncp\nn1 ip=192.0.2.2\n")
    found = nodes(answer)
    role = "node-role.kubernetes.io/control-plane"
    assert [role in node["metadata"]["labels"] for node in found.values()] == [True, False]
    assert not any(node.get("spec") for node in found.values())
    k3s = init.of("[k3s_cluster:children]\nserver\n[server]\ns ip=192.0.2.1\n[other]\no\n")
    assert [role in node["metadata"]["labels"] for node in nodes(k3s).values()] == [True]
    assert f"#   taints:\n#   - key: {role}\n#     effect: NoSchedule\n" in answer.out


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ("ip=192.0.2.1 access_ip=192.0.2.2 ansible_host=192.0.2.3", ["192.0.2.1"]),
        ("ip=192.0.2.1 ip6=2001:db8::1", ["192.0.2.1", "2001:db8::1"]),
        ("ip=2001:db8::1,192.0.2.1,192.0.2.2", ["2001:db8::1", "192.0.2.1", "192.0.2.2"]),
        ("access_ip=192.0.2.2 ansible_host=192.0.2.3", ["192.0.2.2"]),
        ("ansible_host=192.0.2.3", ["192.0.2.3"]),
        ("ansible_ssh_host=192.0.2.4", ["192.0.2.4"]),
        ("ansible_host=::ffff:192.0.2.5", ["192.0.2.5"]),
        ("ansible_host=web.example", []),
        ("ansible_host=127.0.0.1", []),
        ("ip='{{ x }}' ansible_host=192.0.2.3", ["192.0.2.3"]),
        ("ansible_host=localhost ansible_connection=local", []),
    ],
)
def test_where_the_address_is_from(init: Init, variables: str, expected: list[str]) -> None:
    assert addresses(init.of(f"n1 {variables}\n")) == {"n1": expected}


def test_names_that_yaml_could_take_for_something_else(init: Init) -> None:
    names = ["y", "1e3", "10", "null", "0x1f", "1.5", "2024-01-01"]
    answer = init(*(f"{name}=192.0.2.{i + 1}" for i, name in enumerate(names)))
    assert list(nodes(answer)) == names


def test_several_files_together(init: Init) -> None:
    (init.folder / "more").write_text("n2=192.0.2.2\n")
    answer = init.of("n3=192.0.2.3", "--inventory", "more", "n1=192.0.2.1")
    assert list(nodes(answer)) == ["n1", "n3", "n2"]
    assert "3 nodes from the command line, hosts, more" in answer.out


# ---- the output is an input


def test_what_init_writes_builds_at_once(init: Init, capsys: pytest.CaptureFixture[str]) -> None:
    manifests = init.folder / "manifests"
    manifests.mkdir()
    answer = init("n1=192.0.2.1,2001:db8::1", "n2=192.0.2.2,2001:db8::2", "-o", "manifests/nodes.yaml",
        "--cluster-configuration", "--service-dns-domain", "edge.example")  # fmt: skip
    assert (answer.code, answer.out, answer.err) == (0, "", "manifests/nodes.yaml: 2 nodes\n")
    (manifests / "web.yaml").write_text(deployment("web", 2) + service("web"))
    built = kcompile(["build", "manifests", "--strict"], capsys)
    assert built.code == 0, built.err
    assert "2 nodes, 2 pods" in built.err
    assert (init.folder / "bundle" / "dns" / "db.edge.example").exists()
    described = kcompile(["describe", "node", "n1"], capsys).out
    assert "Pod Addresses:        1 of 253 used in 10.244." in described


def test_optional_lines_are_right_when_their_sign_is_taken_out(
    init: Init, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = init.of("[master]\ncp ip=192.0.2.1 node_taints=a:NoExecute\n[kube_node]\nn1 ip=192.0.2.2\n",
        "--group", "all", "--cluster-configuration")  # fmt: skip
    lines = []
    for line in answer.out.splitlines():
        bare = line.lstrip()
        inner = bare[2:].lstrip() if bare.startswith("# ") else ""
        key = inner.removeprefix("- ").partition(":")[0]
        if inner and " " not in key and ":" in inner and not inner.startswith(("#", "node ")):
            lines.append(line.replace("# ", "", 1))
        else:
            lines.append(line)
    (init.folder / "nodes.yaml").write_text("\n".join(lines) + "\n")
    built = kcompile(["validate", "nodes.yaml"], capsys)
    assert built.code == 0, built.err


def test_an_ipv6_cluster(init: Init) -> None:
    answer = init("n1=2001:db8::1", "n2=2001:db8::2", "--cluster-configuration")
    first = next(each for each in yaml.safe_load_all(answer.out) if each)
    assert first["networking"] == {
        "podSubnet": "fd00:10:244::/56",
        "serviceSubnet": "fd00:10:96::/108",
        "dnsDomain": "cluster.local",
    }


def test_ranges_are_held_to_what_a_build_takes(init: Init) -> None:
    options = ["--cluster-configuration", "--pod-network-cidr", "10.0.0.0/8"]
    assert "overlaps" in init("n1", *options).err
    assert ": KC303: " in init("n1", *options[:2], "nonsense").err
    assert ": KC303: " in init("n1", *options[:1], "--service-dns-domain", "A b").err


SEEDS = (
    "[a]\nn1 ip=1.2.3.4\n[a:vars]\nnode_labels={'a': 'b'}\n[b:children]\na\n",
    "all:\n  hosts:\n    n1: {ip: 1.2.3.4, node_taints: ['a:NoExecute']}\n  children:\n    k: {hosts: {n[1:3]: }}\n",
    '{"_meta": {"hostvars": {"a": {"ip": "1.2.3.4"}}}, "all": {"hosts": ["a", "b"]}}',
    "1.2.3.4 a b\nn=1.2.3.5,::2\n[2001:db8::1]:22\nn[a:f:2]:33\nm ip='{{ x }}'\n",
)
edits = st.tuples(
    st.integers(0, 120),
    st.integers(0, 6),
    st.text("[]:={}'\"#,\n-.01azA_&*!|% \u202e\u00e9", max_size=4),
)


@given(st.sampled_from(SEEDS), st.lists(edits, max_size=6))
def test_any_text_is_refused_with_a_place_or_becomes_nodes(
    text: str, changes: list[tuple[int, int, str]]
) -> None:
    for start, length, new in changes:
        text = text[:start] + new + text[start + length :]
    try:
        drafted = draft([("hosts", text.encode())], Wanted(cluster_configuration=True))
    except InputError as error:
        assert {each.position.file for each in error.problems} == {"hosts"}  # noqa: PT017 - either outcome is right
        return
    objects = validate(load([("nodes.yaml", drafted.text)]))
    assert len([each for each in objects.items if isinstance(each, Node)]) == drafted.nodes
    assert not [each for each in objects.notes if each.severity is Severity.WARNING]


# ---- what is refused


def test_no_file_is_replaced(init: Init) -> None:
    out = init.folder / "nodes.yaml"
    assert init("n1=192.0.2.1", "-o", "nodes.yaml").code == 0
    before = out.read_text()
    answer = init("n2=192.0.2.2", "-o", "nodes.yaml")
    assert (answer.code, out.read_text()) == (1, before)
    assert "nodes.yaml:1:1: KC707: " in answer.err
    assert init("n2=192.0.2.2", "-o", "nodes.yaml", "--force").code == 0
    assert "name: n2" in out.read_text()
    assert [path.name for path in init.folder.iterdir()] == ["nodes.yaml"]
    assert ": KC603: " in init("n1", "-o", "none/nodes.yaml").err


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--group", "x", "n1"],
        ["n1", "--service-cidr", "10.0.0.0/16"],
        ["n1", "--pod-network-cidr", "10.0.0.0/16"],
        ["n1", "--service-dns-domain", "x.example"],
    ],
)
def test_wrong_usage(init: Init, arguments: list[str]) -> None:
    answer = init(*arguments)
    assert (answer.code, answer.out) == (2, "")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "KC701"),
        ("# nothing\n", "KC701"),
        ("[kube_node]\n[other]\nn1\n", "KC706"),
        ("$ANSIBLE_VAULT;1.1;AES256\n3030\n", "KC702"),
        ("all:\n  hosts: {n1: {ip: {{ x }}}}\n", "KC110"),
        ("all: {hosts: {n1: }, hosts: {n2: }}\n", "KC103"),
        ("all: [1, 2]\n", "KC701"),
        ("all: {hosts: 5}\n", "KC701"),
        ("all: {hosts: {n1: [1]}}\n", "KC701"),
        ("[a:children]\nb ; c\n", "KC701"),
        ("all: {host: {n1: }}\n", "KC701"),
        ("all: {hosts: {n1: {node_labels: [a]}}}\n", "KC701"),
        ("all: {hosts: {n1: {node_labels: {a: [b]}}}}\n", "KC701"),
        ("all: {hosts: {n1: {node_taints: {a: b}}}}\n", "KC701"),
        ("all: &a\n  children: {b: *a}\n", "KC108"),
        ("n[1:99999999]\n", "KC701"),
        ("n[1:3][1:9999]\n", "KC701"),
        ("n[01:100]\n", "KC701"),
        ("n[1:]\n", "KC701"),
        ("n1 " + "x" * 20_000 + "\n", "KC107"),
        ("".join(f"n[0:9]x{i}\n" for i in range(1_100)), "KC107"),
        ("".join(f"[g{i}]\n" for i in range(1_100)) + "n1\n", "KC107"),
        ("n1 node_labels='{{{{{{{{{{a'\n", "KC721"),
        ("n1 node_labels='{a: {b: {c: {d: {e: f}}}}}'\n", "KC701"),
        ("n\u0131\n", "KC703"),
        ("\u212a1\n", "KC703"),
        ("n1 ip=1.2.3.4\x00\n", "KC101"),
    ],
)  # fmt: skip
def test_problems_have_a_place_and_a_code(init: Init, text: str, code: str) -> None:
    answer = init.of(text)
    assert answer.code == (0 if code == "KC721" else 1)
    assert answer.err.startswith("hosts:")
    assert f": {code}: " in answer.err
    assert answer.err.isascii()


def test_deep_and_wide_groups_end_in_time(init: Init) -> None:
    """Each group is inside all those before it."""
    count = 200
    text = "".join(
        f"[g{i}:children]\n" + "".join(f"g{j}\n" for j in range(i + 1, count)) for i in range(count)
    )
    answer = init.of(text + f"[g{count - 1}]\nn[0:4999]\n")
    assert answer.code == 0
    assert answer.err.endswith("init: 5000 nodes, 5000 without an address\n")


@pytest.mark.parametrize(
    "text",
    [
        "n[0:9999]\n" * 100_000,
        "n n\n" * 200_000,
        "[" * 1_000_000,
        "\n" * 500_000 + "n n",
        "# x\n \t" * 500_000 + "n n",
        "n[0:99] " + "[0:9]" * 2_000,
    ],
    ids=["ranges", "problems", "brackets", "breaks", "comments", "product"],
)
def test_much_of_it_ends_in_time_with_a_bounded_answer(init: Init, text: str) -> None:
    answer = init.of(text)
    assert answer.code == 1
    assert len(answer.err) < 200_000


def test_a_chain_of_groups_longer_than_the_stack_is_deep(init: Init) -> None:
    text = "".join(f"[g{i}:children]\ng{i + 1}\n" for i in range(998)) + "[g998]\nn1=192.0.2.1\n"
    assert addresses(init.of(text)) == {"n1": ["192.0.2.1"]}
    assert "is inside itself" in init.of(text.replace("n1=", "[g998:children]\ng0\n#")).err
