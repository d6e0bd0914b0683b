"""The wheel and the editable install hold the same; the sdist holds what tests need."""

import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from importlib.resources import files
from pathlib import Path

import pytest

import kcompile

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
CASE = ROOT / "golden" / "article" / "myhttpd"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the sdist, built from a copy of what git knows."""
    folder = tmp_path_factory.mktemp("dist")
    source = folder / "source"
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("the checkout is no git repository, so what belongs to it is unknown")
    for name in listed.stdout.split("\0")[:-1]:
        if (ROOT / name).is_file():
            target = source / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((ROOT / name).read_bytes())
    done = subprocess.run(
        [sys.executable, "-m", "build", "--outdir", str(folder), str(source)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode and "No matching distribution" in done.stdout + done.stderr:
        pytest.skip("setuptools cannot be had from a package index here")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_packages_are_those_of_the_tree() -> None:
    root = ROOT / "compiler"
    found = {
        ".".join(path.parent.relative_to(root).parts)
        for path in (root / "kcompile").rglob("__init__.py")
    }
    assert sorted(PROJECT["tool"]["setuptools"]["packages"]) == sorted(
        {*found, "kcompile.schemas", "kcompile.templates"}
    )


@pytest.mark.parametrize(("folder", "suffix"), [("schemas", "*.json"), ("templates", "*.j2")])
def test_resources_are_found_in_the_editable_install(folder: str, suffix: str) -> None:
    here = {path.name for path in (ROOT / folder).glob(suffix)}
    there = {each.name for each in files(f"kcompile.{folder}").iterdir()}
    assert here
    assert here <= there


def test_the_wheel_has_every_module_and_resource(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    modules = {
        str(path.relative_to(ROOT / "compiler"))
        for path in (ROOT / "compiler" / "kcompile").rglob("*.py")
    }
    resources = {
        f"kcompile/{path.relative_to(ROOT)}"
        for path in (*(ROOT / "schemas").glob("*.json"), *(ROOT / "templates").glob("*.j2"))
    }
    assert modules | resources <= names
    assert "kcompile/py.typed" in names
    assert f"kcompile-{kcompile.__version__}-" in wheel.name


def test_the_sdist_has_goldens_tests_and_docs(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for pattern in ("golden/**/*", "tests/**/*.py", "docs/**/*.md", "*.md", "LICENSE"):
        wanted = {str(p.relative_to(ROOT)) for p in ROOT.glob(pattern) if p.is_file()}
        assert {name for name in wanted if "__pycache__" not in name} <= names


def test_the_wheel_builds_the_example(built: Path, tmp_path: Path) -> None:
    """In an environment that has the wheel and, by its path, this one's dependencies."""
    (wheel,) = built.glob("*.whl")
    venv.create(tmp_path / "venv", with_pip=False)
    site = next((tmp_path / "venv" / "lib").glob("python*/site-packages"))
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index"]
    subprocess.run([*install, "--target", str(site), str(wheel)], check=True, capture_output=True)
    dependencies = Path(pytest.__file__).parent.parent
    code = (
        "import sys\n"
        # After the wheel, and without the editable install's own .pth files.
        f"sys.path.append({str(dependencies)!r})\n"
        "import kcompile.cli.main\n"
        f"assert kcompile.__file__.startswith({str(site)!r}), kcompile.__file__\n"
        f"kcompile.cli.main.main(['build', {str(CASE / 'input')!r}, '--no-lock', '-o', 'out'])\n"
    )
    program = tmp_path / "venv" / "bin" / "python"
    done = subprocess.run(
        [program, "-I", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    rules = "nodes/f16-6-kubernetes01/listeners.json"
    expected = CASE / "expected" / "bundle" / rules
    assert (tmp_path / "out" / rules).read_bytes() == expected.read_bytes()
