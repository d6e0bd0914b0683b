"""The files of a bundle that say what the others are."""

import json
from collections.abc import Mapping
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kcompile.bundle.tree import Content, Files, assemble, check_paths, content
from kcompile.problems import OurBugError

PLAIN = {
    "plan.json": "{}\n",
    "dns/db.cluster.local": "$ORIGIN cluster.local.\n",
    "nodes/n1/iptables.rules": "*nat\nCOMMIT\n",
    "nodes/n1/sysctl.d/k.conf": "net.ipv4.ip_forward = 1\n",
    "nodes/n10/iptables.rules": "*nat\nCOMMIT\n",
}


def bundle(
    texts: Mapping[str, str], *, generation: int | None = None, sources: str = "{}"
) -> Files:
    return assemble(
        {path: content(text) for path, text in texts.items()},
        version="1.2.3",
        settings={"clusterDomain": "cluster.local", "podCIDRs": ["10.244.0.0/16"]},
        nodes=["n1", "n10"],
        sources=sources,
        proved=True,
        generation=generation,
    )


def text_of(file: Content) -> str:
    return "".join(file.chunks)


def digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def test_manifest_lists_settings_nodes_and_digests_one_a_line() -> None:
    files = bundle({"plan.json": "{}\n"})
    slices = [files[f"nodes/{node}/SLICE.json"].digest for node in ("n1", "n10")]
    assert text_of(files["MANIFEST.json"]).splitlines() == [
        "{",
        '"version": 1,',
        '"kcompile": "1.2.3",',
        '"proved": true,',
        '"settings": {',
        '"clusterDomain": "cluster.local",',
        '"podCIDRs": ["10.244.0.0/16"]',
        "},",
        '"nodes": [',
        '"n1",',
        '"n10"',
        "],",
        '"files": {',
        f'"nodes/n1/SLICE.json": "{slices[0]}",',
        f'"nodes/n10/SLICE.json": "{slices[1]}",',
        f'"plan.json": "{digest("{}" + chr(10))}"',
        "}",
        "}",
    ]


def test_manifest_has_every_file_but_those_that_depend_on_more_than_content() -> None:
    files = bundle(PLAIN)
    listed = json.loads(text_of(files["MANIFEST.json"]))["files"]
    assert files.keys() - listed.keys() == {"MANIFEST.json", "SHA256SUMS", "sources.json"}
    assert all(files[path].digest == said for path, said in listed.items())


def test_slice_has_the_nodes_own_files_and_dns() -> None:
    files = bundle(PLAIN)
    assert json.loads(text_of(files["nodes/n1/SLICE.json"])) == {
        "version": 1,
        "node": "n1",
        "files": {
            path: digest(PLAIN[path])
            for path in (
                "dns/db.cluster.local",
                "nodes/n1/iptables.rules",
                "nodes/n1/sysctl.d/k.conf",
            )
        },
    }
    of_other_node = json.loads(text_of(files["nodes/n10/SLICE.json"]))["files"]
    assert list(of_other_node) == ["dns/db.cluster.local", "nodes/n10/iptables.rules"]


def test_slice_has_a_generation_only_if_given() -> None:
    numbered = json.loads(text_of(bundle(PLAIN, generation=7)["nodes/n1/SLICE.json"]))
    assert numbered["generation"] == 7
    assert "generation" not in json.loads(text_of(bundle(PLAIN)["nodes/n1/SLICE.json"]))


def test_sources_and_plan_change_no_slice() -> None:
    before = bundle(PLAIN)
    after = bundle({**PLAIN, "plan.json": '{"image": "httpd:2"}\n'}, sources='{"moved": 1}')
    changed = {path for path in before if before[path].digest != after[path].digest}
    assert changed == {"MANIFEST.json", "SHA256SUMS", "plan.json", "sources.json"}


def test_sources_change_no_manifest() -> None:
    before, after = bundle(PLAIN), bundle(PLAIN, sources='{"moved": 1}')
    changed = {path for path in before if before[path].digest != after[path].digest}
    assert changed == {"SHA256SUMS", "sources.json"}


def test_sums_list_every_other_file_sorted() -> None:
    files = bundle(PLAIN)
    lines = text_of(files["SHA256SUMS"]).splitlines()
    assert lines == [f"{files[path].digest}  {path}" for path in files if path != "SHA256SUMS"]
    assert list(files) == sorted(files)


@given(shuffled=st.permutations(list(PLAIN.items())))
def test_order_of_files_does_not_matter(shuffled: list[tuple[str, str]]) -> None:
    first, second = bundle(PLAIN), bundle(dict(shuffled))
    assert [(path, text_of(file)) for path, file in first.items()] == [
        (path, text_of(file)) for path, file in second.items()
    ]


def test_a_shared_content_is_kept_as_it_is() -> None:
    rules = content("*nat\n", "COMMIT\n")
    files = assemble(
        {f"nodes/n{number}/iptables.rules": rules for number in range(3)},
        version="1",
        settings={},
        nodes=["n0", "n1", "n2"],
        sources="{}",
        proved=True,
    )
    assert all(files[f"nodes/n{number}/iptables.rules"] is rules for number in range(3))


@given(chunks=st.lists(st.text(st.characters(codec="utf-8"))))
def test_chunks_are_one_text(chunks: list[str]) -> None:
    whole = "".join(chunks).encode()
    file = content(*chunks)
    assert b"".join(file.pieces()) == whole
    assert (file.size, file.digest) == (len(whole), sha256(whole).hexdigest())


def test_large_chunks_come_in_pieces() -> None:
    chunks = ("a" * 10, "b" * 3_000_000, "c" * 600_000, "d" * 600_000, "e")
    pieces = list(content(*chunks).pieces())
    assert b"".join(pieces) == "".join(chunks).encode()
    assert max(map(len, pieces)) <= 1 << 20


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/etc/passwd",
        ".",
        "..",
        "../x",
        "a/../b",
        "a/./b",
        "a/..",
        "a//b",
        "a/",
        "a b",
        "a\n",
        "a\nb",
        "a\\b",
        "a\0b",
        "naïve",
        "a\u202eb",
        "nodes/$(id)/x",
    ],
)
def test_unsafe_paths_are_our_bug(path: str) -> None:
    with pytest.raises(OurBugError, match="unsafe path"):
        check_paths([path])


@pytest.mark.parametrize("path", ["a", "...", "..a", "a..", ".a", "a/..b/c..", "nodes/n-1/x_y.z"])
def test_safe_paths(path: str) -> None:
    check_paths([path])


def test_a_file_that_is_a_folder_is_our_bug() -> None:
    with pytest.raises(OurBugError, match="both as a file and as a folder"):
        check_paths(["a/b/c", "a/b"])


@pytest.mark.parametrize(
    "path", ["MANIFEST.json", "SHA256SUMS", "sources.json", "nodes/n1/SLICE.json"]
)
def test_files_that_only_assemble_makes_are_our_bug(path: str) -> None:
    with pytest.raises(OurBugError, match="ordinary file"):
        bundle({path: ""})


def test_a_file_of_an_unknown_node_is_our_bug() -> None:
    with pytest.raises(OurBugError, match="not in the plan"):
        bundle({"nodes/n2/iptables.rules": ""})
