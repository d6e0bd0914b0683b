"""The node's program: kcompile.apply as one file that any Python from 3.9 on runs by itself."""

from __future__ import annotations

import io
import sys
from pathlib import Path

from kcompile.apply.host import Host
from kcompile.apply.state import state_path, write_bytes

PROGRAM = "kcompile.pyz"
MODE = 0o755

# -I and -S: nothing of the environment, the working folder or site-packages is imported.
_FIRST_LINE = b"#!/usr/bin/python3 -IS\n"
_MAIN = """\
import sys

from kcompile.apply.main import main

sys.exit(main(sys.argv[1:]))
"""
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first moment that a zip file can name
_REGULAR = 0o100644 << 16
_UNIX = 3


def build_program() -> bytes:
    """The same bytes wherever it is built; the program itself, where it is what runs."""
    root = Path(__file__).parents[2]
    return root.read_bytes() if root.is_file() else _zipped(root)


def install_program(host: Host) -> bool:
    """Put it where units and timers run it from. Whether it was another before, or none."""
    path = state_path(host, PROGRAM)
    wanted = build_program()
    if path.is_file() and path.read_bytes() == wanted:
        return False
    write_bytes(path, wanted, MODE)
    return True


def is_installed(host: Host) -> bool:
    return state_path(host, PROGRAM).is_file()


def program(host: Host) -> list[str]:
    """How the installed program is run, as the first words of a command."""
    return [sys.executable, "-I", "-S", str(state_path(host, PROGRAM))]


def _zipped(root: Path) -> bytes:
    import zipfile  # noqa: PLC0415 - the program, which copies itself, is spared its memory

    package = root / "kcompile"
    sources = [package / "__init__.py", *(package / "apply").rglob("*.py")]
    files = {path.relative_to(root).as_posix(): path.read_bytes() for path in sources}
    files["__main__.py"] = _MAIN.encode()
    program = io.BytesIO()
    program.write(_FIRST_LINE)
    # Stored: what deflate gives depends on the library's version, and there is little to save.
    with zipfile.ZipFile(program, "w", zipfile.ZIP_STORED) as archive:
        for name, content in sorted(files.items()):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.create_system = _UNIX
            entry.external_attr = _REGULAR
            archive.writestr(entry, content)
    return program.getvalue()
