"""`kcompile apply`, `status` and `remove`: what they do, once their arguments are read."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kcompile.apply import confirm, dns, resolv
from kcompile.apply.difference import Difference, is_change
from kcompile.apply.failures import RefusedError
from kcompile.apply.generations import (
    Installed,
    Journal,
    current,
    discard,
    generation,
    mend,
    one_before,
    read_journal,
    store,
)
from kcompile.apply.host import Host
from kcompile.apply.mixture import mixtures
from kcompile.apply.show import as_text, listed, print_answer, tell, tell_progress
from kcompile.apply.signature import check_signature, required_signers
from kcompile.apply.slices import Slice
from kcompile.apply.state import state_path
from kcompile.apply.steps import Choices, differences, refuse
from kcompile.apply.steps import notices as notices_of
from kcompile.apply.transaction import Timing, change, recover
from kcompile.apply.verify import check_generation, read_slice

DONE = 0
DIFFERENT = 3


@dataclass(frozen=True)
class Options:
    """How to apply. `confirm_within` is in seconds."""

    yes: bool = False
    exit_code: bool = False
    as_json: bool = False
    force: bool = False
    signers: Path | None = None
    confirm_within: float | None = None


@dataclass(frozen=True)
class Found:
    """What of the node changes, and what else the operator should know."""

    differences: tuple[Difference, ...]
    notices: tuple[str, ...]


def apply(host: Host, bundle: Path, node: str, choices: Choices, options: Options) -> int:
    """Install a node's slice of a bundle. Changes nothing unless `yes`."""
    wanted = read_slice(bundle, node)
    notices = _check_signature(host, wanted, options.signers)
    if options.yes and mend(host, wanted):
        notices += ("the installed generation's own files had been changed; they are as they were",)
    notices += _recover(host, choices, act=options.yes)
    confirm.refuse_pending(host)
    there = current(host)
    if there and there.slice.node != node and not options.force:
        raise RefusedError(
            f"this node runs the slice of {there.slice.node}, and the bundle's is for {node}"
            " (--node names another; --force turns the node into it)"
        )
    skipped = check_generation(there.slice if there else None, wanted, force=options.force)
    notices += (skipped,) if skipped else ()
    return _go(host, there, wanted, choices, options, notices)


def roll_back(host: Host, number: int | None, choices: Choices, options: Options) -> int:
    """Install a generation that is kept, the one before the installed one unless it is named."""
    notices = _recover(host, choices, act=options.yes)
    there = current(host)
    waiting = confirm.pending(host)
    if waiting and there and waiting.number == there.number and number is None:
        # Back to where it came from, and be that to nothing.
        back = generation(host, waiting.before) if waiting.before else None
        return _leave_for(host, there, back, Choices(dns=waiting.dns), options, notices)
    if number is None and there:
        number = one_before(host, there.number)
    if number is None:
        raise RefusedError("there is no generation before the installed one")
    done = _go(host, there, generation(host, number), choices, options, notices)
    if options.yes:
        confirm.forget(host)
    return done


def restore(host: Host, choices: Choices) -> int:
    """Make the node what the installed generation says: at boot, and after others changed it."""
    for notice in _recover(host, choices, act=True):
        tell(notice)
    waiting = confirm.pending(host)
    if waiting and confirm.is_over(waiting):
        return _leave_unconfirmed(host, waiting)
    there = current(host)
    if there is None:
        tell("nothing is installed")
        return DONE
    if any(map(is_change, differences(host, there.slice, there.slice, choices))):
        change(host, there, there, choices, tell_progress)
    return DONE


def keep(host: Host) -> int:
    """Confirm the generation that waits for it."""
    if read_journal(host):
        raise RefusedError(
            "an apply was interrupted before there was anything to confirm: kcompile apply"
            " --restore ends it"
        )
    tell(f"generation {confirm.confirm(host)} stays")
    return DONE


def leave(host: Host, number: int, choices: Choices) -> int:
    """What the watch does when nobody confirmed in time. Also ends what a killed apply left."""
    for notice in _recover(host, choices, act=True):
        tell(notice)
    waiting = confirm.pending(host)
    if waiting is None or waiting.number != number:
        return DONE
    return _leave_unconfirmed(host, waiting)


def status(host: Host, node: str | None, choices: Choices, *, as_json: bool) -> int:
    """Say what differs on the node from the installed generation. Reads only."""
    there = current(host)
    _refuse_other_node(there, node)
    journal = read_journal(host)
    slice_ = there.slice if there else None
    found = differences(host, slice_, slice_, choices) if there else ()
    notices = _waiting(host) + (_state_of(host, journal, choices) if journal else ())
    notices += notices_of(host, slice_, slice_) if there else ()
    clean = journal is None and not any(map(is_change, found))
    text = "".join(f"{notice}\n" for notice in notices)
    text += f"{_title(there)}\n" + (as_text(found) or "as it should be\n" if there else "")
    answer = {**_about(there), "notices": notices, "differences": listed(found), "clean": clean}
    print_answer(answer, text, as_json=as_json)
    return DONE if clean else DIFFERENT


def remove(host: Host, node: str | None, choices: Choices, options: Options) -> int:
    """Leave the node as if kcompile had never been there."""
    notices = _recover(host, choices, act=options.yes)
    there = current(host)
    _refuse_other_node(there, node)
    if there is None:
        tell("nothing is installed")
        if options.yes:
            _forget_everything(host)
        return DONE
    done = _take_away(host, there, choices, options, notices)
    if options.yes:
        _forget_everything(host)
    return done


def _take_away(
    host: Host, there: Installed, choices: Choices, options: Options, notices: tuple[str, ...]
) -> int:
    found = differences(host, there.slice, None, choices)
    timings = change(host, there, None, choices, tell_progress) if options.yes else ()
    _answer(Found(found, notices), there, None, options, timings)
    return _exit_code(found, options)


def _refuse_other_node(there: Installed | None, node: str | None) -> None:
    if there and node and there.slice.node != node:
        raise RefusedError(f"this node runs the slice of {there.slice.node}, not of {node}")


def _go(  # noqa: PLR0913, PLR0917 - what both ways of installing have in common
    host: Host,
    there: Installed | None,
    wanted: Slice | Installed,
    choices: Choices,
    options: Options,
    notices: tuple[str, ...],
) -> int:
    before = there.slice if there else None
    after = wanted if isinstance(wanted, Slice) else wanted.slice
    same = before is not None and before.files == after.files
    found = (*differences(host, before, after, choices), *resolv.changes(before, after))
    notices += notices_of(host, before, after)
    notices += mixtures(before, after) if before and not same else ()
    going = Found(found, notices)
    if not options.yes:
        _answer(going, there, None, options, ())
        return _exit_code(found, options)
    refuse(host, before, after)
    goal = there
    if not (same and before and before.generation == after.generation):
        replaces = there.number if there else None
        goal = store(host, wanted, replaces) if isinstance(wanted, Slice) else wanted
    fresh = goal != there and isinstance(wanted, Slice)
    timings: Sequence[Timing] = ()
    if goal != there or any(map(is_change, found)):
        try:
            timings = _change(host, there, goal, choices, options, fresh=fresh)
        except BaseException:
            # What is between both needs it, to go on from there.
            if goal and fresh and read_journal(host) is None:
                discard(host, goal.number)
            raise
    _answer(going, there, goal, options, timings)
    return DONE


def _change(  # noqa: PLR0913 - both ends, and how
    host: Host,
    there: Installed | None,
    goal: Installed | None,
    choices: Choices,
    options: Options,
    *,
    fresh: bool,
) -> Sequence[Timing]:
    if options.confirm_within is None or goal is None or not host.live:
        return change(host, there, goal, choices, tell_progress, fresh=fresh)
    waiting = confirm.Pending(
        goal.number,
        there.number if there else None,
        options.confirm_within,
        confirm.boot_id(),
        dns=dns.recorded_choice(host),
    )
    try:
        confirm.expect(host, waiting)
        timings = change(host, there, goal, choices, tell_progress, fresh=fresh)
    except BaseException:
        confirm.forget(host)
        raise
    confirm.start_clock(host, waiting)
    tell(
        f"generation {goal.number} goes back in {options.confirm_within:g} seconds"
        " unless you run: kcompile apply --confirm"
    )
    return timings


def _leave_unconfirmed(host: Host, waiting: confirm.Pending) -> int:
    before = generation(host, waiting.before) if waiting.before else None
    change(host, current(host), before, Choices(dns=waiting.dns), tell_progress)
    # Not before: what is killed on the way must still go back at the next boot.
    confirm.forget(host)
    tell(f"generation {waiting.number} was not confirmed: {_title(before)}")
    return DONE


def _leave_for(  # noqa: PLR0913, PLR0917 - as _go, with nothing as a place to go
    host: Host,
    there: Installed,
    back: Installed | None,
    choices: Choices,
    options: Options,
    notices: tuple[str, ...],
) -> int:
    if back:
        done = _go(host, there, back, choices, options, notices)
    else:
        done = _take_away(host, there, choices, options, notices)
    if options.yes:
        confirm.forget(host)
    return done


def _check_signature(host: Host, wanted: Slice, asked: Path | None) -> tuple[str, ...]:
    signers = required_signers(host, asked)
    return (f"signed by {check_signature(host, wanted, signers)}",) if signers else ()


def _recover(host: Host, choices: Choices, *, act: bool) -> tuple[str, ...]:
    journal = read_journal(host)
    if journal and not act:
        return _state_of(host, journal, choices)
    said = recover(host, tell_progress) if journal else ""
    waiting = confirm.pending(host)
    there = current(host) if waiting and act else None
    if waiting and act and (there is None or there.number != waiting.number):
        # It was undone, or killed before it began: nothing is left to confirm.
        confirm.forget(host)
    return (said,) if said else ()


def _state_of(host: Host, journal: Journal, choices: Choices) -> tuple[str, ...]:
    """Which end of an interrupted apply the node is at."""
    ends = []
    for number in (journal.before, journal.after):
        installed = generation(host, number) if number else None
        slice_ = installed.slice if installed else None
        ends.append((_title(installed), slice_))
    (old, before), (new, after) = ends
    if not any(map(is_change, differences(host, after, before, choices))):
        state = f"all of the node is as before: {old}"
    elif not any(map(is_change, differences(host, before, after, choices))):
        state = f"all of the node is as after: {new}"
    else:
        state = f"the node is between both ({old}; {new})"
    return (f"an apply was interrupted; {state}. kcompile apply --restore ends it",)


def _waiting(host: Host) -> tuple[str, ...]:
    waiting, there = confirm.pending(host), current(host)
    if waiting is None or there is None or there.number != waiting.number:
        return ()
    return (f"generation {waiting.number} waits for its confirmation (kcompile apply --confirm)",)


def _answer(
    going: Found,
    there: Installed | None,
    goal: Installed | None,
    options: Options,
    timings: Sequence[Timing],
) -> None:
    done = options.yes
    text = "".join(f"{notice}\n" for notice in going.notices) + as_text(going.differences)
    if not any(map(is_change, going.differences)):
        text += "nothing to change\n"
    elif not done:
        text += "nothing was changed; --yes does it\n"
    if done:
        text += f"{_title(goal)}\n"
    answer = {
        **_about(there),
        "notices": going.notices,
        "differences": listed(going.differences),
        "applied": done,
        "installed": goal.number if goal else None,
        "seconds": {each.step: round(each.seconds, 3) for each in timings},
    }
    print_answer(answer, text, as_json=options.as_json)


def _about(there: Installed | None) -> dict[str, object]:
    return {
        "node": there.slice.node if there else None,
        "generation": there.number if there else None,
        "build": there.slice.generation if there else None,
    }


def _title(installed: Installed | None) -> str:
    if installed is None:
        return "nothing is installed"
    return f"{installed} of node {installed.slice.node} is installed"


def _exit_code(found: Sequence[Difference], options: Options) -> int:
    asked = options.exit_code and not options.yes
    return DIFFERENT if asked and any(map(is_change, found)) else DONE


def _forget_everything(host: Host) -> None:
    shutil.rmtree(state_path(host), ignore_errors=True)
