"""From what a node's name server has to what a slice says, and what is still to do."""

from __future__ import annotations

from kcompile.apply.difference import Difference
from kcompile.apply.dns import files, places, running, snippets
from kcompile.apply.dns.files import Wanted, Work
from kcompile.apply.dns.hooks import add_hook, has_hook, remove_hook, remove_trial, trial
from kcompile.apply.dns.places import NONE, ORIGINALS, Place
from kcompile.apply.dns.running import News
from kcompile.apply.dns.servers import SNIPPET
from kcompile.apply.failures import NodeError
from kcompile.apply.host import Host
from kcompile.apply.slices import Slice
from kcompile.apply.state import drop_state, read_state, write_file, write_state

_LOADED = "dns-loaded.json"  # the digest of what the server has read and was seen to serve


def differences(
    host: Host, before: Slice | None, after: Slice | None, *, server: str = "auto"
) -> tuple[Difference, ...]:
    """What the node's name server and our files of it have that `after` does not say. Raises
    RefusedError where `server` ("auto" or a name) cannot be told or is not there."""
    known = places.recorded(host)
    place = places.choose(host, server) if after else None
    old = known if isinstance(known, Place) and known != place else None
    left = _leftovers(host, old, before) if old else ()
    if after is None:
        return left
    if place is None:
        return (*left, *_without_server(known, after, server))
    want = files.wanted(host, place, after)
    work = files.compare(host, place, before, want)
    found = _file_differences(place, work, new=known != place)
    if host.live:
        found += _live_differences(host, place, after, want, settled=not work.any())
    return (*left, *found)


def converge(
    host: Host, before: Slice | None, after: Slice | None, *, server: str = "auto"
) -> None:
    """Make it so: files are checked before they are put in place, the server is told, and asked."""
    known = places.recorded(host)
    place = places.choose(host, server) if after else None
    if isinstance(known, Place) and known != place:
        _remove(host, known, before)
    if after is None:
        drop_state(host, ORIGINALS)
    elif place is None:
        if server == NONE and known != NONE:
            write_state(host, ORIGINALS, {"server": NONE})
    else:
        _install(host, place, before, after)


def _leftovers(host: Host, place: Place, before: Slice | None) -> tuple[Difference, ...]:
    found = [
        Difference("dns", "remove", f"zone {zone}", f"its file is {files.zone_file(place, zone)}")
        for zone in (snippets.zones(before) if before else ())
        if files.zone_file(place, zone).exists()
    ]
    if has_hook(host, place):
        found.append(Difference("dns", "remove", "include line", f"in {place.hook}"))
    if (place.folder / SNIPPET).exists() or not found:
        title = place.server.title
        found.append(Difference("dns", "remove", "configuration", f"{title}'s, in {place.folder}"))
    return tuple(found)


def _without_server(known: str | Place | None, after: Slice, server: str) -> tuple[Difference, ...]:
    if server == NONE and known != NONE:
        text = "kcompile leaves the name servers of this node alone from now on (--dns none)"
        return (Difference("dns", "change", "name server", text),)
    if NONE in (server, known):
        return ()
    text = "no name server is installed, so nobody answers there: install one, or say --dns none"
    return tuple(
        Difference("dns", "add", address, text) for address in snippets.node_addresses(after)
    )


def _file_differences(place: Place, work: Work, *, new: bool) -> list[Difference]:
    action = "add" if new else "change"
    title = place.server.title
    found = [
        Difference("dns", action, f"zone {zone}", f"{files.zone_file(place, zone)} for {title}")
        for zone in work.zones
    ]
    found += [
        Difference("dns", "remove", f"zone {zone}", f"{files.zone_file(place, zone)}")
        for zone in work.stale
    ]
    if work.snippet:
        text = f"{title}'s, in {place.folder / SNIPPET}"
        found.append(Difference("dns", action, "configuration", text))
    if work.hook:
        text = f"{place.hook} does not include {place.folder / SNIPPET}"
        found.append(Difference("dns", "add", "include line", text))
    return found


def _live_differences(
    host: Host, place: Place, after: Slice, want: Wanted, *, settled: bool
) -> list[Difference]:
    title = place.server.title
    if places.find_pid(host, place) is None:
        text = f"{title} is not running, so nobody answers for the cluster's names: start it"
        return [Difference("dns", "change", "name server", text)]
    if not settled:
        return []
    if not _is_loaded(host, want):
        text = f"{title} was not seen to read the files that are there"
        return [Difference("dns", "change", "name server", text)]
    unheard = running.unheard(place, after)
    found = [
        Difference("dns", "change", f"zone {zone}", said)
        for zone, said in running.wrong(after, unheard).items()
    ]
    text = (
        f"{title} does not listen at this address, so pods get no answers: let it listen there "
        "in its own configuration, which kcompile does not rewrite, and restart it"
    )
    return found + [Difference("dns", "change", address, text) for address in unheard]


def _install(host: Host, place: Place, before: Slice | None, after: Slice) -> None:
    want = files.wanted(host, place, after)
    work = files.compare(host, place, before, want)
    old = read_state(host, ORIGINALS)
    if places.recorded(host) != place:  # first, as a trial that is killed leaves files too
        write_state(host, ORIGINALS, places.record(host, place))
    try:
        _check(host, place, after, work)
    except NodeError:
        if old:
            write_state(host, ORIGINALS, old)
        else:
            drop_state(host, ORIGINALS)
        raise
    # Where an earlier run did not come to its end, any of the files may not have been read.
    if not read_state(host, _LOADED):
        unread = News(tuple(want.zones), configuration=True)
    else:
        unread = News(work.zones, configuration=work.snippet or work.hook)
    if work.any():
        drop_state(host, _LOADED)
        _write(host, place, after, want, work)
    if host.live:
        _serve(host, place, after, want, unread)
    for zone in work.stale:
        files.zone_file(place, zone).unlink()


def _check(host: Host, place: Place, after: Slice, work: Work) -> None:
    """Have the server's own checkers read what is new, before any of it is in place."""
    server = place.server
    if not host.live or not work.any():
        return
    for zone in work.zones if server.check_zone else ():
        path = str(after.folder / (snippets.ZONES + zone))
        host.run([{"ZONE": zone, "FILE": path}.get(word, word) for word in server.check_zone])
    # Unbound's checker reads the zones too.
    if server.check and (work.snippet or work.hook or not server.check_zone):
        with trial(host, place, files.trial_snippet(host, place, after)) as main:
            host.run([str(main) if word == "FILE" else word for word in server.check])


def _write(host: Host, place: Place, after: Slice, want: Wanted, work: Work) -> None:
    """Zones before what names them, so that a server that starts meanwhile finds them all."""
    place.folder.mkdir(parents=True, exist_ok=True)
    place.folder.chmod(0o755)  # whatever the umask: the server is another user
    for zone in work.zones:
        write_file(files.zone_file(place, zone), after.text(snippets.ZONES + zone))
    if work.snippet:
        write_file(place.folder / SNIPPET, want.snippet)
    add_hook(host, place)


def _serve(host: Host, place: Place, after: Slice, want: Wanted, unread: News) -> None:
    """Have the server read it, unless it has, and see that it serves it."""
    loaded = _is_loaded(host, want)
    complaint = ""
    if places.find_pid(host, place) is None:
        if not running.start(host, place):
            return  # a difference says so for as long as it is
    else:
        unheard = running.unheard(place, after)
        wrong = running.wrong(after, unheard) if loaded else {}
        for zone in wrong:  # a file that is not newer is not read again
            write_file(files.zone_file(place, zone), after.text(snippets.ZONES + zone))
        deaf = unheard and place.server.finds_addresses
        if loaded and not wrong and not deaf:
            return
        if loaded:
            unread = News(tuple(wrong), configuration=True)
        complaint = running.reload(host, place, unread)
    running.verify(place, after, complaint)
    write_state(host, _LOADED, {"digest": want.digest()})


def _remove(host: Host, place: Place, before: Slice | None) -> None:
    remove_hook(host, place)
    if host.live and places.find_pid(host, place) is not None:
        running.reload(host, place, News((), configuration=True))
    for zone in snippets.zones(before) if before else ():
        files.zone_file(place, zone).unlink(missing_ok=True)
    (place.folder / SNIPPET).unlink(missing_ok=True)
    for staged in place.folder.glob(".*.kcompile-new"):  # of a write that was killed
        staged.unlink()
    remove_trial(place)
    if place.folder.is_dir() and not any(place.folder.iterdir()):
        place.folder.rmdir()
    drop_state(host, _LOADED)
    drop_state(host, ORIGINALS)


def _is_loaded(host: Host, want: Wanted) -> bool:
    return read_state(host, _LOADED).get("digest") == want.digest()
