"""The lock as another branch has it."""

import re
import subprocess
from pathlib import Path

from kcompile.problems import Code, InputError, Problem, printable
from kcompile.source import Position

# What git-check-ref-format allows and people use, with ~ and ^ for ancestors; no option, no range,
# no path behind a colon.
_REF = re.compile(r"(?!.*\.\.)[A-Za-z0-9_@][A-Za-z0-9_@./+#=~^-]{0,250}", re.ASCII)


def text_on(ref: str, path: Path) -> str:
    """What a lock holds on a branch, a tag or another commit. Raises InputError."""
    if not _REF.fullmatch(ref):
        raise _problem(path, f"{printable(ref)} is not the name of a branch, a tag or a commit")
    folder = path.parent
    if not _git(folder, "rev-parse", "--is-inside-work-tree"):
        raise _problem(path, "the lock does not lie in a git repository")
    commit = _git(
        folder, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}"
    )
    if not commit:
        raise _problem(path, f"git knows no commit {ref}", "git fetch may bring it")
    name = f"./{path.name}"
    text = _git(folder, "cat-file", "blob", f"{commit.decode().strip()}:{name}")
    if text is None:
        raise _problem(
            path, f"{ref} has no such file", "resolve against a branch that has the lock"
        )
    try:
        return text.decode()
    except UnicodeDecodeError:
        raise _problem(path, f"the lock on {ref} is not UTF-8") from None


def _git(folder: Path, *arguments: str) -> bytes | None:
    """What git prints, None if it fails."""
    try:
        done = subprocess.run(  # noqa: S603 - no shell, and the arguments are checked
            ["git", "-C", str(folder), *arguments],  # noqa: S607 - the user's own git
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    except OSError as error:
        raise _problem(folder, f"git cannot be run: {error.strerror}") from error
    return done.stdout if done.returncode == 0 else None


def _problem(path: Path, message: str, hint: str = "") -> InputError:
    return InputError([Problem(Code.LOCK_BASE, Position(str(path), 1, 1), message, hint)])
