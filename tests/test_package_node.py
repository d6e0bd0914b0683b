"""The node's program: one file, the same bytes, for any Python from 3.9 on, small in memory."""

import ast
import functools
import os
import shutil
import subprocess
import sys
import zipfile
from io import BytesIO
from pathlib import Path

import pytest

import kcompile as package
from cli_runs import KCOMPILE, process
from kcompile.apply.host import Host
from kcompile.apply.package import build_program, install_program

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "compiler" / "kcompile" / "apply").rglob("*.py"))
CASE = ROOT / "golden" / "article" / "myhttpd" / "expected"
BUNDLE, NODE = CASE / "bundle", "f16-8-kubernetes03"
OLDEST = (3, 9)
MOST = 30_000  # kilobytes of memory
# What the kernel has counted since the program started, which getrusage has not.
HIGH_WATER = (
    "with open('/proc/self/status') as file: lines = file.readlines()\n"
    "print(next(line.split()[1] for line in lines if line.startswith('VmHWM:')))\n"
)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("program") / "kcompile.pyz"
    path.write_bytes(build_program())
    return path


@pytest.fixture(params=["the oldest that is supported", "the one that runs the tests"])
def python(request: pytest.FixtureRequest) -> str:
    """A Python to run the program with."""
    if "oldest" not in request.param:
        return sys.executable
    found = oldest_python()
    if found is None:
        pytest.skip("python3.9 is not installed")
    return found


@functools.cache
def oldest_python() -> str | None:
    places = (Path.home() / ".pyenv" / "versions").glob("3.9.*/bin/python3")
    for each in (shutil.which("python3.9"), *map(str, places)):
        if each and process([each, "--version"], ROOT).out.startswith("Python 3.9."):
            return each
    return None


def isolated(
    python: str, *arguments: str | Path, where: Path = ROOT / "tests" / "data"
) -> subprocess.CompletedProcess[str]:
    """Run as a node does; the folder and the environment are hostile."""
    return subprocess.run(
        [python, "-I", "-S", *arguments],
        cwd=where,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "compiler"), "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_the_syntax_is_that_of_the_oldest_python(path: Path) -> None:
    ast.parse(path.read_text(), feature_version=OLDEST)


def test_it_holds_the_node_s_side_and_nothing_else(program: Path) -> None:
    with zipfile.ZipFile(program) as archive:
        names = archive.namelist()
    expected = [str(path.relative_to(ROOT / "compiler")) for path in SOURCES]
    assert names == sorted(["__main__.py", "kcompile/__init__.py", *expected])


def test_the_bytes_depend_on_the_sources_alone(tmp_path: Path, program: Path) -> None:
    """Not on their times and modes, on who builds, or where."""
    shutil.copytree(ROOT / "compiler", tmp_path / "c", ignore=shutil.ignore_patterns("__pycache__"))
    for path in (tmp_path / "c").rglob("*.py"):
        path.chmod(0o600)
        os.utime(path, (1_000_000_000, 1_000_000_000))
    code = "import sys; sys.path.insert(0, 'c'); import kcompile.apply.package as p; sys.stdout.buffer.write(p.build_program())"
    made = subprocess.run([sys.executable, "-I", "-c", code], cwd=tmp_path, capture_output=True, check=True)  # fmt: skip
    assert made.stdout == program.read_bytes()


def test_every_module_runs_without_anything_else(program: Path, python: str) -> None:
    with zipfile.ZipFile(program) as archive:
        modules = [
            name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            for name in archive.namelist()
            if name != "__main__.py"
        ]
    code = (
        f"import sys, importlib; sys.path.insert(0, {str(program)!r})\n"
        f"for name in {modules!r}: importlib.import_module(name)\n"
        f"assert importlib.import_module('kcompile').__file__.startswith({str(program)!r})\n"
        f"{HIGH_WATER}"
    )
    done = isolated(python, "-W", "error", "-c", code)
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) < MOST


def test_it_copies_itself(program: Path, python: str) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(program)!r})\n"
        "import kcompile.apply.package as p; sys.stdout.write(p.build_program().hex())"
    )
    done = isolated(python, "-c", code)
    assert bytes.fromhex(done.stdout) == program.read_bytes(), done.stderr


def test_it_is_put_where_units_find_it(tmp_path: Path) -> None:
    host = Host(tmp_path)
    path = tmp_path / "var/lib/kcompile/kcompile.pyz"
    assert install_program(host)
    assert path.stat().st_mode & 0o777 == 0o755
    assert zipfile.ZipFile(BytesIO(path.read_bytes())).testzip() is None
    inode = path.stat().st_ino
    assert not install_program(host)
    assert path.stat().st_ino == inode
    path.write_bytes(b"an older one")
    assert install_program(host)
    assert path.read_bytes() == build_program()


def test_the_command_writes_it(tmp_path: Path, program: Path) -> None:
    answer = process([*KCOMPILE, "node-program"], tmp_path)
    size = len(program.read_bytes())
    assert (answer.code, answer.out) == (0, "")
    assert answer.err == f"kcompile.pyz: {size} bytes\n"
    assert (tmp_path / "kcompile.pyz").read_bytes() == program.read_bytes()
    answer = process([*KCOMPILE, "node-program", "-o", "nothing/file/x"], tmp_path)
    assert answer.code == 0
    answer = process([*KCOMPILE, "node-program", "-o", "kcompile.pyz/x"], tmp_path)
    assert (answer.code, answer.out) == (1, "")
    assert answer.err == "kcompile.pyz/x:1:1: KC603: cannot be written: File exists\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--version"], f"kcompile {package.__version__}"),
        (["apply", BUNDLE, "--node", NODE, "--root", "."], "nothing was changed; --yes does it"),
        (["apply", "--help"], "usage: kcompile apply "),
    ],
    ids=lambda value: " ".join(map(str, value[:1])) if isinstance(value, list) else "",
)
def test_it_is_small_at_work(
    tmp_path: Path, program: Path, python: str, arguments: list[str | Path], said: str
) -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux counts a process's memory in /proc")
    code = (
        f"import runpy, sys; sys.argv = {['kcompile', *map(str, arguments)]!r}\n"
        f"try: runpy.run_path({str(program)!r}, run_name='__main__')\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        f"{HIGH_WATER}"
    )
    done = isolated(python, "-c", code, where=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    *lines, memory = done.stdout.splitlines()
    assert any(line.startswith(said) for line in lines), lines
    assert int(memory) < MOST


@pytest.mark.parametrize(
    ("arguments", "code"), [(["--version"], 0), (["apply"], 2), (["nothing"], 2), ([], 2)]
)
def test_its_exit_code_is_the_command_s(
    program: Path, python: str, arguments: list[str], code: int
) -> None:
    done = isolated(python, program, *arguments)
    assert done.returncode == code
    assert "Traceback" not in done.stderr
