"""A slice's rules are read strictly, whoever wrote them."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kcompile.apply.failures import RefusedError
from kcompile.apply.rules import saved, text
from kcompile.apply.rules.delta import family_change

GOLDEN = Path(__file__).parent.parent / "golden"
HEAD = """\
# a comment
*filter
:INPUT - [0:0]
:KUBE-SERVICES - [0:0]
:KUBE-SVC-AAAAAAAAAAAAAAAA - [0:0]
"""
PLAIN = HEAD + "-A INPUT -j KUBE-SERVICES\n-A KUBE-SERVICES -j ACCEPT\nCOMMIT\n"


def refused(content: str) -> str:
    """How a first install of such a file is refused, before any program runs."""
    with pytest.raises(RefusedError) as found:
        family_change(4, {}, text.read(content, "iptables.rules"), {}, {})
    message = str(found.value)
    assert message.isprintable()
    assert message.isascii()
    return message


def test_a_file_is_tables_of_chains_and_jumps() -> None:
    assert text.read(PLAIN, "f") == {
        "filter": text.Table(
            {
                "KUBE-SERVICES": ("-A KUBE-SERVICES -j ACCEPT",),
                "KUBE-SVC-AAAAAAAAAAAAAAAA": (),
            },
            {"INPUT": ("-A INPUT -j KUBE-SERVICES",)},
        )
    }
    assert text.read("", "f") == {}


def test_every_golden_file_is_read_and_plain() -> None:
    paths = sorted(GOLDEN.glob("*/*/expected/bundle/nodes/*/*tables.rules"))
    assert paths
    for path in paths:
        content = path.read_text()
        tables = text.read(content, str(path))
        change = family_change(4, {}, tables, {}, {})
        rules = [
            line
            for table in change.tables
            for lines in (*table.jumps.values(), *table.replace.values())
            for line in lines
        ]
        assert sorted(rules) == sorted(
            line for line in content.split("\n") if line.startswith("-A ")
        )


@pytest.mark.parametrize(
    "line",
    [
        ":DOCKER - [0:0]",
        ":KUBE-SERVICES - [0:0]",
        ":KUBE-NEW ACCEPT [0:0]",
        ":PREROUTING - [0:0]",
        ":FORWARD DROP [0:0]",
        ":OUTPUT - [1:1]",
        ":KUBE-new - [0:0]",
        ":KUBE-NAMETHATISLONGERTHANTHEKERNELTAKES - [0:0]",
        "-F INPUT",
        "-F",
        "-X DOCKER",
        "-P INPUT DROP",
        "-D INPUT 1",
        "-I INPUT -j KUBE-SERVICES",
        "[1:1] -A KUBE-SERVICES -j ACCEPT",
        "-A DOCKER -j ACCEPT",
        "-A FORWARD -j KUBE-SERVICES",
        "-A KUBE-SERVICE -j ACCEPT",
        "-A  KUBE-SERVICES -j ACCEPT",
        "-A\tKUBE-SERVICES -j ACCEPT",
        "-A KUBE-SERVICES",
        "-A KUBE-SERVICESX",
        "*nat",
        "*raw",
        "iptables -F",
        " -A KUBE-SERVICES -j ACCEPT",
        "COMMIT\nCOMMIT",
        "COMMIT\n*filter\nCOMMIT",
        "COMMIT\n*mangle\nCOMMIT",
        "-A INPUT -j ACCEPT",
        "-A INPUT -j KUBE-SERVICES\n-A INPUT -j KUBE-SERVICES",
        "-A INPUT -j DOCKER",
        "-A INPUT -g KUBE-SERVICES",
        "-A INPUT -j KUBE-NODEPORTS",
        "-A KUBE-SERVICES -j DOCKER",
        "-A KUBE-SERVICES -j LOG",
        "-A KUBE-SERVICES -j NFQUEUE --queue-num 1",
        "-A KUBE-SERVICES -t nat -j ACCEPT",
        "-A KUBE-SERVICES --table nat -j ACCEPT",
        "-A KUBE-SERVICES --modprobe=/tmp/x -j ACCEPT",
        "-A KUBE-SERVICES -M /tmp/x -j ACCEPT",
        "-A KUBE-SERVICES -w -j ACCEPT",
        "-A KUBE-SERVICES -c 1 1 -j ACCEPT",
        "-A KUBE-SERVICES -f -j ACCEPT",
        "-A KUBE-SERVICES -A INPUT -j ACCEPT",
        "-A KUBE-SERVICES -sx -j ACCEPT",
        '-A KUBE-SERVICES -m comment --comment "a\\" -j ACCEPT',
        '-A KUBE-SERVICES -m comment --comment "a" b" -j ACCEPT',
        "-A KUBE-SERVICES -m comment --comment 'a' -j ACCEPT",
        '-A KUBE-SERVICES -m comment --comment "\x1b[2J" -j ACCEPT',
        '-A KUBE-SERVICES -m comment --comment "\u202e" -j ACCEPT',
        "-A KUBE-SERVICES -j ACCEPT\r",
        "-A KUBE-SERVICES -j ACCEPT\x00",
        "-A KUBE-SERVICES -j ACCEPT\x0b-F",
        "-A KUBE-SERVICES -j ACCEPT\u2028",
        "-A KUBE-SERVICES -s 1\u0661 -j ACCEPT",
        "-A KUBE-SERVICES -m recent --name x/../../y\n-j ACCEPT",
    ],
)
def test_what_kcompile_does_not_write_is_refused(line: str) -> None:
    refused(f"{HEAD}{line}\nCOMMIT\n")


def test_a_message_names_file_and_line() -> None:
    message = refused(f"{HEAD}-F INPUT\nCOMMIT\n")
    assert message == "iptables.rules: line 6: kcompile writes no such line: '-F INPUT'"
    assert refused(HEAD) == "iptables.rules: line 2: the table has no COMMIT"


@given(st.text(alphabet=":*-AFXPDIj KUBE\"'\n\r\0[]0COMMITé", max_size=60))
def test_any_text_is_read_or_refused(line: str) -> None:
    try:
        tables = text.read(f"{HEAD}{line}\nCOMMIT\n", "f")
        family_change(4, {}, tables, {}, {})
    except RefusedError:
        return
    for table in tables.values():
        assert all(chain[:5] in ("KUBE-", "KCOMP") for chain in table.chains)


def test_a_save_is_read_as_it_is() -> None:
    found = saved.tables(
        "# Generated by iptables-save v1.8.9 on Tue Nov 24 16:00:00 2026\n"
        "*nat\n:PREROUTING ACCEPT [1:60]\n:DOCKER - [0:0]\n:odd name - [0:0]\n"
        "-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER\nCOMMIT\n# Completed\n"
        "*filter\n:INPUT DROP [0:0]\nCOMMIT\n"
    )
    jump = "-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER"
    assert found == {
        "nat": text.Table({"DOCKER": (), "odd name": ()}, {"PREROUTING": (jump,)}),
        "filter": text.Table({}, {"INPUT": ()}),
    }


def test_matches_printed_in_another_order_say_the_same() -> None:
    ours = '-A C ! -s 10.0.0.0/8 -p tcp -m comment --comment "a: b" -m conntrack --ctstate NEW -j X'
    theirs = (
        '-A C ! -s 10.0.0.0/8 -p tcp -m conntrack --ctstate NEW -m comment --comment "a: b" -j X'
    )
    assert text.alike((ours,), (theirs,))
    assert not text.alike((ours,), (ours, ours))
    assert not text.alike((ours,), (ours.replace("! ", ""),))
    assert not text.alike(("-A C ! -s 1.1.1.1 -d 2.2.2.2",), ("-A C -s 1.1.1.1 ! -d 2.2.2.2",))
