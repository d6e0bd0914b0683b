"""The lock as another branch has it."""

import os
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
    inside = _run(folder, "rev-parse", "--is-inside-work-tree")
    if inside.returncode != 0:
        reason = inside.stderr.decode(errors="replace").strip().partition("\n")[0]
        message = "the lock does not lie in a git repository"
        raise _problem(path, message, f"git says {printable(reason)}")
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
    done = _run(folder, *arguments)
    return done.stdout if done.returncode == 0 else None


def _run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    # A hook is told where the repository lies, from another folder: here the lock says that.
    hidden = {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"}
    environment = {key: value for key, value in os.environ.items() if key not in hidden}
    try:
        return subprocess.run(  # noqa: S603 - no shell, and the arguments are checked
            ["git", "-C", str(folder), *arguments],  # noqa: S607 - the user's own git
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            env={**environment, "LC_ALL": "C"},
        )
    except OSError as error:
        raise _problem(folder, f"git cannot be run: {error.strerror}") from error


def _problem(path: Path, message: str, hint: str = "") -> InputError:
    return InputError([Problem(Code.LOCK_BASE, Position(str(path), 1, 1), message, hint)])
