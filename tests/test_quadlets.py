"""`build --quadlets`: manifests in, podman's units out."""

import json
import re

import yaml
from hypothesis import given
from hypothesis import strategies as st

import quadlet_keys
from kcompile.lower.runtime import POD_BRIDGE
from kcompile.pipeline import make_files, make_plan
from kcompile.plan.lock import Lock
from kcompile.render.yaml_text import yaml_text
from kcompile.resolve.flags import Flags
from notation import node

FOLDER = "nodes/n0/runtime/quadlets"
NODE = node("n0", "192.0.2.1")
TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=30)


def pod(container: str = "", *, name: str = "web", spec: str = "", image: str = "web:1") -> str:
    return (
        f"apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, labels: {{app: web}}}}\n"
        f"spec: {{containers: [{{name: web, image: {json.dumps(image)}, {container}}}], {spec}}}\n"
        "---\n"
    )


def built(text: str, *, quadlets: bool = True) -> dict[str, str]:
    made = make_plan([("m.yaml", NODE + text)], Flags(), Lock(), proved=False, quadlets=quadlets)
    return {path: "".join(file.chunks) for path, file in make_files(made).items()}


def notes(text: str) -> list[str]:
    made = make_plan([("m.yaml", NODE + text)], Flags(), Lock(), proved=False, quadlets=True)
    return [str(note) for note in made.notes if "KC231" in str(note)]


def documents(files: dict[str, str]) -> list[dict[str, dict[str, str]]]:
    return list(yaml.safe_load_all(files[f"{FOLDER}/default_web.yaml"]))


def manifest(files: dict[str, str], name: str = "default_web") -> dict[str, object]:
    """The Pod that podman reads, behind any ConfigMaps."""
    *_, last = yaml.safe_load_all(files[f"{FOLDER}/{name}.yaml"])
    assert isinstance(last, dict)
    return last


def container(text: str) -> dict[str, object]:
    (found,) = manifest(built(text))["spec"]["containers"]  # type: ignore[index,var-annotated]  # YAML
    assert isinstance(found, dict)
    return found


# ---- what is emitted, and when


def test_without_the_option_there_are_none() -> None:
    with_them, without = built(pod()), built(pod(), quadlets=False)
    more = {path for path in with_them if "/runtime/quadlets/" in path}
    assert more == {
        f"{FOLDER}/{name}" for name in ("kcompile.network", "default_web.kube", "default_web.yaml")
    }
    assert with_them.keys() - without.keys() == more


def test_a_new_image_changes_the_pod_and_no_file_of_packets() -> None:
    before, after = built(pod(image="web:1")), built(pod(image="web:2"))
    changed = {path for path in before if before[path] != after[path]}
    lists = {"MANIFEST.json", "plan.json", "SHA256SUMS", "sources.json", "nodes/n0/SLICE.json"}
    assert changed - lists == {f"{FOLDER}/default_web.yaml"}
    plain = built(pod(image="web:1"), quadlets=False), built(pod(image="web:2"), quadlets=False)
    changed = {path for path in plain[0] if plain[0][path] != plain[1][path]}
    assert changed <= lists - {"nodes/n0/SLICE.json"}


def test_addresses_names_and_resolver_are_those_of_the_bundle() -> None:
    files = built(pod(spec="hostname: front"))
    (planned,) = [each for each in json.loads(files["plan.json"])["pods"] if each["name"] == "web"]
    (network,) = re.findall(r"^Network=(.*)$", files[f"{FOLDER}/default_web.kube"], re.MULTILINE)
    assert network == f"kcompile.network:ip={planned['ips'][0]}"
    spec = manifest(files)["spec"]
    assert isinstance(spec, dict)
    assert spec["hostname"] == "front"
    dns = spec["dnsConfig"]
    assert dns["options"] == [{"name": "ndots", "value": "5"}]
    assert files["nodes/n0/resolv/default.conf"] == (
        "".join(f"nameserver {each}\n" for each in dns["nameservers"])
        + f"search {' '.join(dns['searches'])}\n"
        + "options ndots:5\n"
    )


def test_the_network_is_unmanaged_and_has_the_nodes_range() -> None:
    files = built(pod())
    text = files[f"{FOLDER}/kcompile.network"]
    (cidr,) = next(
        each["podCIDRs"] for each in json.loads(files["plan.json"])["nodes"] if each["name"] == "n0"
    )
    gateway = cidr.replace(".0/24", ".1")
    for line in (
        "Options=mode=unmanaged",
        "DisableDNS=true",
        f"Subnet={cidr}",
        f"Gateway={gateway}",
    ):
        assert f"{line}\n" in text
    assert f"ip address replace {gateway}/24 dev {POD_BRIDGE}\n" in text


def test_a_pod_in_the_nodes_network_has_no_address_of_its_own() -> None:
    files = built(pod(spec="hostNetwork: true"))
    assert "\nNetwork=host\n" in files[f"{FOLDER}/default_web.kube"]
    spec = manifest(files)["spec"]
    assert isinstance(spec, dict)
    assert spec["hostNetwork"] is True
    assert "hostname" not in spec


def test_long_names_stay_file_names() -> None:
    files = built(pod(name="a" * 253))
    names = [path.rpartition("/")[2] for path in files if "/quadlets/" in path]
    assert len(names) == 3
    assert max(map(len, names)) < 210


# ---- what containers get


def test_fields_of_the_pod_are_filled_in() -> None:
    env = (
        "env: [{name: A, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}},"
        " {name: B, valueFrom: {fieldRef: {fieldPath: \"metadata.labels['app']\"}}},"
        " {name: C, valueFrom: {fieldRef: {fieldPath: \"metadata.labels['none']\"}}}]"
    )
    assert container(pod(env))["env"] == [
        {"name": "A", "value": "n0"},
        {"name": "B", "value": "web"},
        {"name": "C", "value": ""},
    ]


def test_no_secret_is_in_the_bundle_only_its_name() -> None:
    stated = (
        "apiVersion: v1\nkind: Secret\nmetadata: {name: database}\n"
        "stringData: {password: hunter2}\ndata: {other: aHVudGVyMg==}\n---\n"
    )
    env = "env: [{name: P, valueFrom: {secretKeyRef: {name: database, key: password}}}]"
    files = built(stated + pod(env))
    assert not [path for path, text in files.items() if "hunter2" in text or "aHVud" in text]
    (variable,) = container(stated + pod(env))["env"]  # type: ignore[misc] # YAML
    assert variable["valueFrom"]["secretKeyRef"]["name"] == "default_database"


def test_config_maps_come_before_the_pod() -> None:
    config = (
        'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {k: "---\\na: 1\\n"}\n---\n'
    )
    env = "envFrom: [{configMapRef: {name: c}}]"
    files = built(config + pod(env))
    first, _second = yaml.safe_load_all(files[f"{FOLDER}/default_web.yaml"])
    assert first == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "c"},
        "data": {"k": "---\na: 1\n"},
    }


def test_volumes_that_podman_makes_have_names_of_their_own() -> None:
    """podman calls a volume like its ConfigMap, Secret or claim, and shares what is called alike."""
    config = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {k: v}\n---\n"
    volumes = (
        "volumes: [{name: a, configMap: {name: x}}, {name: b, secret: {secretName: x}},"
        " {name: c, persistentVolumeClaim: {claimName: x}}, {name: d, emptyDir: {}}]"
    )
    mounts = "volumeMounts: [{name: d, mountPath: /d}]"
    files = built(config + pod(mounts, spec=volumes) + pod(name="b", spec=volumes))
    first, second = manifest(files)["spec"], manifest(files, "default_b")["spec"]
    assert isinstance(first, dict)
    assert isinstance(second, dict)
    assert first["volumes"] == [
        {"name": "default_web_a", "configMap": {"name": "default_web_a"}},
        {"name": "default_web_b", "secret": {"secretName": "default_x"}},
        {"name": "default_web_c", "persistentVolumeClaim": {"claimName": "claim.default_x"}},
        {"name": "default_web_d", "emptyDir": {}},
    ]
    assert first["containers"][0]["volumeMounts"] == [{"name": "default_web_d", "mountPath": "/d"}]
    assert second["volumes"][0] == {"name": "default_b_a", "configMap": {"name": "default_b_a"}}
    names = [each["metadata"]["name"] for each in documents(files)]
    assert names == ["x", "default_web_a", "default_web"]


def test_a_sidecar_is_a_container_and_no_step_before() -> None:
    spec = "initContainers: [{name: s, image: s, restartPolicy: Always}, {name: i, image: i}]"
    found = manifest(built(pod(spec=spec)))["spec"]
    assert isinstance(found, dict)
    assert [each["name"] for each in found["containers"]] == ["s", "web"]
    assert [each["name"] for each in found["initContainers"]] == ["i"]


def test_a_mount_of_a_volume_that_podman_has_not_goes_with_it() -> None:
    mounts = "volumeMounts: [{name: v, mountPath: /v}, {name: e, mountPath: /e}]"
    text = pod(mounts, spec="volumes: [{name: v, nfs: {server: s, path: /}}, {name: e}]")
    assert container(text)["volumeMounts"] == [{"name": "default_web_e", "mountPath": "/e"}]
    (note,) = notes(text)
    assert "nfs is left out" in note


def test_what_is_left_out_is_noted_and_said_in_the_unit() -> None:
    text = pod("livenessProbe: {httpGet: {port: 80}}, tty: true", spec="runtimeClassName: kata")
    assert len(notes(text)) == 3
    unit = built(text)[f"{FOLDER}/default_web.kube"]
    said = re.findall(r"^#   (.*)$", unit, re.MULTILINE)
    assert said == [
        "spec.runtimeClassName",
        "spec.containers[0].livenessProbe",
        "spec.containers[0].tty",
    ]


def test_a_job_does_not_start_with_the_node() -> None:
    job = (
        "apiVersion: batch/v1\nkind: Job\nmetadata: {name: j}\nspec: {template: {spec:"
        " {restartPolicy: Never, containers: [{name: j, image: j}]}}}\n---\n"
    )
    units = [text for path, text in built(job).items() if path.endswith(".kube")]
    assert units
    assert "[Install]" not in units[0]
    assert "[Install]" in built(pod())[f"{FOLDER}/default_web.kube"]


# ---- what users type


@given(TEXTS, TEXTS, TEXTS)
def test_whatever_a_user_types_comes_back_from_the_manifest_and_never_meets_systemd(
    first: str, second: str, value: str
) -> None:
    words = json.dumps([first, second], ensure_ascii=True)
    text = pod(f"command: {words}, args: {words}, env: [{{name: A, value: {json.dumps(value)}}}]")
    try:
        files = built(text)
    except Exception as error:  # noqa: BLE001 - JSON's halves of characters are no YAML
        assert "KC1" in str(error)  # noqa: PT017 - what else it may do is the assertion
        return
    (found,) = manifest(files)["spec"]["containers"]  # type: ignore[index] # YAML
    assert (found["command"], found["args"]) == ([first, second], [first, second])
    assert found["env"] == [{"name": "A", "value": value}]
    plain = built(pod())
    for name in ("default_web.kube", "kcompile.network"):
        assert files[f"{FOLDER}/{name}"] == plain[f"{FOLDER}/{name}"]


SCALARS = st.none() | st.booleans() | st.integers() | TEXTS
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3)
)


@given(st.dictionaries(TEXTS, VALUES, min_size=1, max_size=4))
def test_yaml_is_read_back_as_it_was(value: dict[str, object]) -> None:
    text = yaml_text(value)
    assert yaml.safe_load(text) == value
    assert re.fullmatch(r"[ -~\n]+", text)


def test_half_a_character_is_written_as_go_has_it() -> None:
    assert yaml.safe_load(yaml_text({"a": "x\ud83dy"})) == {"a": "x\ufffdy"}


# ---- keys


def test_units_have_only_documented_keys() -> None:
    files = built(pod() + pod(name="host", spec="hostNetwork: true"))
    units = {path: text for path, text in files.items() if path.endswith((".kube", ".network"))}
    assert len(units) == 3
    documented = {**quadlet_keys.PODMAN, **quadlet_keys.SYSTEMD}
    for text in units.values():
        section = ""
        for line in filter(None, text.splitlines()):
            if header := re.fullmatch(r"\[([A-Za-z]+)\]", line):
                section = header[1]
            elif not line.startswith("#"):
                assert line.partition("=")[0] in documented[section]
