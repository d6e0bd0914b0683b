"""Breaks the goldens' rules one by one: what changes a packet's fate is found, and what does not is
listed with the reason why it cannot."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache

import pytest

from exhaustive import first_mismatch
from golden_plans import GOLDEN, plan_of, rules_of
from kcompile.address import Family
from kcompile.planned import Plan
from kcompile.prove.compare import Proof
from kcompile.prove.expect import Expectation
from kcompile.prove.parse import threshold
from kcompile.prove.shared import share
from kcompile.prove.text import UnreadableRulesError, read_rules
from mutants import Mutant, mutants

# The first one is broken everywhere, the others where they differ from it.
CASES: tuple[tuple[str, Family], ...] = (
    ("article/httpd", 4),
    ("services/affinity", 4),
    ("services/dual-stack", 6),
    ("services/external-local", 4),
    ("services/host-network", 4),
    ("services/load-balancer-from-a-pool", 4),
    ("settings/kubeadm-and-kube-proxy", 4),
    ("settings/node-port-addresses", 4),
    ("settings/reject-unmatched", 4),
)
_COMMENT = re.compile(r'-m comment --comment "[^"]*" ')
_JUMP = re.compile(r" -j (K\S+)$")


def is_found(plan: Plan, family: Family, text: str) -> bool:
    """Whether something is wrong with a text of the plan's first node."""
    expectation = Expectation(plan, plan.nodes[0], family, share(plan, family))
    try:
        return bool(Proof(read_rules(text, family), expectation).mismatches())
    except UnreadableRulesError:
        return True


@cache
def case(name: str, family: Family) -> tuple[Plan, str]:
    plan = plan_of(GOLDEN / name)
    return plan, rules_of(GOLDEN / name, plan)[plan.nodes[0].name][family][0]


@cache
def survivors(name: str, family: Family) -> tuple[str, int, tuple[Mutant, ...]]:
    """The text, how many mutants it has, and those in which nothing is found."""
    plan, text = case(name, family)
    known = set(case(*CASES[0])[1].splitlines()) if (name, family) != CASES[0] else set()
    made = [each for each in mutants(text) if not known.issuperset(each.lines)]
    return text, len(made), tuple(m for m in made if not is_found(plan, family, m.text))


# ---- reasons why a mutant does what the original does


def for_people(mutant: Mutant, text: str) -> bool:
    """Comments, and rules that are nothing but one."""
    del text
    before, after = mutant.before, mutant.after
    if mutant.kind in ("swap", "delete"):
        return any(line.startswith("#") or _is_pass(line) for line in (before, after))
    return _COMMENT.sub("", before) == _COMMENT.sub("", after)


def order_of_chains(mutant: Mutant, text: str) -> bool:
    """The order of declarations, and of rules of different chains."""
    del text
    declared = mutant.before.startswith(":") and mutant.after.startswith(":")
    return mutant.kind == "swap" and (declared or _chain(mutant.before) != _chain(mutant.after))


def order_of_rules(mutant: Mutant, text: str) -> bool:
    """Rules that do the same, or of which no packet matches both."""
    del text
    first, second = (_words(line) for line in (mutant.before, mutant.after))
    if mutant.kind != "swap":
        return False
    return (
        first["-j"] == second["-j"]
        or any(first[word] != second[word] != "" != first[word] for word in ("-p", "--dport"))
        or _is_one_address(first["-d"], second["-d"])
        or (_is_one_address(first["-d"], "") and second["--dst-type"] == "LOCAL")
        or ("--rcheck" in first and "--rcheck" in second)
    )


def states_of_forward(mutant: Mutant, text: str) -> bool:
    """KUBE-FORWARD sees each packet in one state, none of which excludes the others' targets: marks
    are for new packets. It leaves new packets only, so that what follows need not ask for them."""
    del text
    if mutant.kind == "swap":
        return _chain(mutant.before) in ("KUBE-FORWARD", "FORWARD")
    return mutant.kind == "match" and "-A FORWARD" in mutant.before and "NEW" in mutant.before


def chain_without_rules(mutant: Mutant, text: str) -> bool:
    """A jump to a chain that does nothing, whatever it asks for."""
    lines = (mutant.before, mutant.after) if mutant.kind == "swap" else (mutant.before,)
    targets = [match[1] for match in map(_JUMP.search, lines) if match]
    return any(f"\n-A {target} " not in text for target in targets if f":{target} " in text)


def random_ports(mutant: Mutant, text: str) -> bool:
    """Ports of masqueraded packets, which no verdict is about."""
    del text
    return mutant.after.strip() == mutant.before.removesuffix(" --random-fully")


def module_alone(mutant: Mutant, text: str) -> bool:
    """`-m tcp` beside `-p tcp`, without an option of its own."""
    del text
    return mutant.after == re.sub(r"-m (tcp|udp|sctp) (?!--)", "", mutant.before)


def stored_the_same(mutant: Mutant, text: str) -> bool:
    """A digit of a probability that the kernel's 31 bits cannot hold."""
    del text
    texts = [re.findall(r"--probability (\S+)", line) for line in (mutant.before, mutant.after)]
    return all(texts) and len({threshold(text) for (text,) in texts}) == 1


def end_of_nat(mutant: Mutant, text: str) -> bool:
    """RETURN or ACCEPT in the last chain of POSTROUTING."""
    del text
    return mutant.after == mutant.before.replace("-j RETURN", "-j ACCEPT") and (
        _chain(mutant.before) == "KCOMPILE-EGRESS"
    )


def always_true_there(mutant: Mutant, text: str) -> bool:
    """A chain of endpoints has packets of its Service only: its rules need not ask for them."""
    del text
    before, after = (_words(line) for line in (mutant.before, mutant.after))
    return (
        mutant.kind in ("number", "match")
        and _chain(mutant.before).startswith("KUBE-SV")
        and all(before[word] == after[word] for word in ("-s", "-j", "-p"))
    )


def asked_again(mutant: Mutant, text: str) -> bool:
    """What the node sends to itself meets KUBE-FIREWALL in INPUT, too."""
    del text
    return mutant.kind == "delete" and mutant.before == "-A OUTPUT -j KUBE-FIREWALL"


def refused_anyway(mutant: Mutant, text: str) -> bool:
    """With KCOMPILE-UNMATCHED, what has a service address is refused, and never leaves."""
    there = ":KCOMPILE-UNMATCHED " in text
    swapped = mutant.kind == "swap" and mutant.after.endswith("-j KCOMPILE-UNMATCHED")
    return there and (swapped or mutant.before.startswith("-A KCOMPILE-EGRESS -d 10.96."))


def marked_before(mutant: Mutant, text: str) -> bool:
    """An endpoint that is the node itself, or its name server: what the node sends is masqueraded
    already."""
    del text
    own = ("192.0.2.1/32", "169.254.20.10/32", "fd6b:636f:6d70::53/128")
    return mutant.before.startswith("-A KUBE-SEP-") and any(
        f"-s {address} " in mutant.before for address in own
    )


REASONS: tuple[Callable[[Mutant, str], bool], ...] = (
    for_people,
    order_of_chains,
    chain_without_rules,
    order_of_rules,
    states_of_forward,
    random_ports,
    module_alone,
    stored_the_same,
    end_of_nat,
    always_true_there,
    asked_again,
    refused_anyway,
    marked_before,
)


def _chain(line: str) -> str:
    return line.split(" ")[1] if line.startswith("-A ") else ""


def _is_pass(line: str) -> bool:
    return line.startswith("-A ") and " -j " not in line


def _words(line: str) -> dict[str, str]:
    """What follows each word of a rule, "" where it is not there."""
    found = dict.fromkeys(("-s", "-d", "-p", "--dport", "--dst-type", "-j"), "")
    return found | dict(re.findall(r"(--?[a-z-]+) (\S+)", _COMMENT.sub("", line)))


def _is_one_address(first: str, second: str) -> bool:
    return first != second and first.endswith(("/32", "/128"))


def _reasons(name: str, family: Family) -> Iterator[tuple[str, Mutant]]:
    text, _, found = survivors(name, family)
    for mutant in found:
        reason = next((each.__name__ for each in REASONS if each(mutant, text)), "")
        yield reason, mutant


@pytest.mark.parametrize(("name", "family"), CASES)
def test_every_survivor_has_a_reason(name: str, family: Family) -> None:
    without = [mutant for reason, mutant in _reasons(name, family) if not reason]
    assert [(each.kind, each.line, each.before, each.after) for each in without] == []


def test_survivors_are_as_many_as_known() -> None:
    made = sum(survivors(*each)[1] for each in CASES)
    counts = Counter(reason for each in CASES for reason, _ in _reasons(*each))
    assert (made, dict(counts)) == (
        2424,
        {
            "for_people": 174,
            "order_of_chains": 154,
            "order_of_rules": 38,
            "always_true_there": 38,
            "chain_without_rules": 33,
            "end_of_nat": 21,
            "marked_before": 18,
            "module_alone": 16,
            "states_of_forward": 5,
            "stored_the_same": 5,
            "refused_anyway": 5,
            "random_ports": 2,
            "asked_again": 1,
        },
    )


def test_no_packet_tells_survivors_from_the_original() -> None:
    """One survivor for each reason that is not plain, by every packet that there is."""
    name = "services/external-local"
    family: Family = 4
    plan, _ = case(name, family)
    seen = {"for_people", "order_of_chains"}
    for reason, mutant in _reasons(name, family):
        if reason not in seen:
            seen.add(reason)
            assert first_mismatch(plan, family, mutant.text) is None, reason
