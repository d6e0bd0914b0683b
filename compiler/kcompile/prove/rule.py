"""Rules as the prover reads them: what the kernel would match and do."""

from dataclasses import dataclass

ALWAYS = 1 << 31
"""xt_statistic draws 31 random bits; a rule matches if they are below its threshold."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """A range, or all but it."""

    first: int
    last: int
    negate: bool

    def __contains__(self, address: int) -> bool:
        return (self.first <= address <= self.last) is not self.negate


ANY = Addresses(0, (1 << 128) - 1, negate=False)


@dataclass(frozen=True, slots=True)
class MarkIs:
    value: int
    mask: int
    negate: bool


@dataclass(frozen=True, slots=True)
class StateIs:
    states: frozenset[str]
    negate: bool


@dataclass(frozen=True, slots=True)
class Remember:
    """Notes the source in a list (recent --set)."""

    list: str


@dataclass(frozen=True, slots=True)
class Remembered:
    """The source came into a list at most `seconds` ago (recent --rcheck). `reap` says that older
    entries make room."""

    list: str
    seconds: int
    reap: bool


@dataclass(frozen=True, slots=True)
class Jump:
    chain: str


@dataclass(frozen=True, slots=True)
class Accept: ...


@dataclass(frozen=True, slots=True)
class Drop: ...


@dataclass(frozen=True, slots=True)
class Reject: ...


@dataclass(frozen=True, slots=True)
class Return: ...


@dataclass(frozen=True, slots=True)
class Pass:
    """No target: the packet goes on with the next rule."""


@dataclass(frozen=True, slots=True)
class Masquerade: ...


@dataclass(frozen=True, slots=True)
class Dnat:
    address: int
    port: int


@dataclass(frozen=True, slots=True)
class SetMark:
    """The mark becomes (mark and not mask) xor value."""

    value: int
    mask: int


Terminal = Accept | Drop | Reject | Masquerade | Dnat
Target = Terminal | Jump | Return | Pass | SetMark


@dataclass(frozen=True, slots=True)
class Rule:
    """Every match must hold. `offset` is where its line begins in the file; protocol "" and port 0
    match all."""

    offset: int
    source: Addresses
    destination: Addresses
    protocol: str
    port: int
    source_local: bool
    destination_local: bool
    state: StateIs | None
    mark: MarkIs | None
    threshold: int
    recent: Remember | Remembered | None
    target: Target


def unconditional(offset: int, target: Target) -> Rule:
    """The rule that all packets match."""
    return Rule(offset, ANY, ANY, "", 0, False, False, None, None, ALWAYS, None, target)
