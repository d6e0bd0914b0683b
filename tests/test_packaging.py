"""The wheel and the editable install hold the same; the sdist holds what tests need."""

import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from importlib import metadata
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

import pytest

import kcompile
from cli_runs import process

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
CASE = ROOT / "golden" / "article" / "myhttpd"
# What nobody should ever publish, and what lies about in a checkout that is worked in.
LITTER = (
    ".hypothesis/examples/x",
    ".venv/lib/x.py",
    "build/lib/kcompile/old.py",
    "bundle/plan.json",
    "compiler/kcompile/__pycache__/x.cpython-311.pyc",
    "compiler/kcompile/scratch.txt",
    "golden/article/httpd/input/.nodes.yaml.swp",
    "schemas/Service.json~",
    "tests/__pycache__/x.cpython-311.pyc",
)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of all that belongs to the project, for a build writes into its source."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("this is no git checkout, so what belongs to the project is unknown")
    folder = tmp_path_factory.mktemp("source")
    for name in listed.stdout.split("\0")[:-1]:
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def belonging(source: Path) -> set[str]:
    """The paths of all that belongs to the project."""
    return {str(path.relative_to(source)) for path in source.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def built(
    source: Path, belonging: set[str], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """The wheel, built from the sdist, and the sdist, built where things lie about."""
    assert not belonging & {*LITTER}
    for name in LITTER:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text("")
    folder = tmp_path_factory.mktemp("dist")
    answer = process(
        [sys.executable, "-m", "build", *isolation(), "--outdir", folder, source], folder
    )
    if answer.code and "No matching distribution found for setuptools" in answer.out + answer.err:
        pytest.skip("setuptools 77 is not installed here and no package index has it")
    assert answer.code == 0, answer.out + answer.err
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return wheel, sdist


def isolation() -> list[str]:
    """Where the environment has what a build needs, the network is not needed."""
    assert PROJECT["build-system"]["requires"] == ["setuptools>=77"]
    try:
        major = int(metadata.version("setuptools").partition(".")[0])
    except metadata.PackageNotFoundError:
        return []
    return ["--no-isolation"] if major >= 77 else []


# ---- what is in them


def test_packages_are_those_of_the_tree() -> None:
    root = ROOT / "compiler"
    found = {
        ".".join(path.parent.relative_to(root).parts) for path in (root / "kcompile").rglob("*.py")
    }
    listed = PROJECT["tool"]["setuptools"]["packages"]
    assert sorted(listed) == sorted({*found, "kcompile.schemas", "kcompile.templates"})
    for package in found:
        assert (root / package.replace(".", "/") / "__init__.py").exists(), package


@pytest.mark.parametrize(("folder", "suffix"), [("schemas", ".json"), ("templates", ".j2")])
def test_resources_are_found_where_the_tests_run(folder: str, suffix: str) -> None:
    here = {path.name for path in (ROOT / folder).glob(f"*{suffix}")}
    there = {each.name for each in files(f"kcompile.{folder}").iterdir()}
    assert here
    assert here == {name for name in there if name.endswith(suffix)}


def test_the_wheel_has_every_module_and_resource_and_no_more(
    built: tuple[Path, Path], belonging: set[str]
) -> None:
    with zipfile.ZipFile(built[0]) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    modules = {
        name.removeprefix("compiler/")
        for name in belonging
        if re.fullmatch(r"compiler/kcompile/(.+\.py|py\.typed)", name)
    }
    resources = {
        f"kcompile/{name}"
        for name in belonging
        if re.fullmatch(r"schemas/(.+\.json|__init__\.py)|templates/(.+\.j2|__init__\.py)", name)
    }
    assert len(resources) > 10
    assert names == modules | resources


def test_the_wheel_says_what_it_is(built: tuple[Path, Path]) -> None:
    wheel, sdist = built
    version = kcompile.__version__
    assert wheel.name == f"kcompile-{version}-py3-none-any.whl"
    assert sdist.name == f"kcompile-{version}.tar.gz"
    with zipfile.ZipFile(wheel) as archive:
        said = archive.read(f"kcompile-{version}.dist-info/METADATA").decode().splitlines()
        licence = archive.read(f"kcompile-{version}.dist-info/licenses/LICENSE")
    assert {"Name: kcompile", f"Version: {version}", "License-Expression: Apache-2.0"} <= {*said}
    assert licence == (ROOT / "LICENSE").read_bytes()
    needed = {line.partition(": ")[2] for line in said if line.startswith("Requires-Dist: ")}
    assert {re.split(r"[<>=]", each)[0] for each in needed if "extra ==" not in each} == {
        re.split(r"[<>=]", each)[0] for each in PROJECT["project"]["dependencies"]
    }


def test_the_sdist_has_what_the_tests_need_and_nothing_else(
    built: tuple[Path, Path], belonging: set[str]
) -> None:
    with tarfile.open(built[1]) as archive:
        names = {
            member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()
        }
    generated = {name for name in names if name.startswith("kcompile.egg-info/")}
    assert names - generated - {"PKG-INFO", "setup.cfg"} == {
        name for name in belonging if name not in {".gitattributes", ".gitignore"}
    }


def test_the_changelog_begins_with_this_version() -> None:
    found = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert found
    assert found[1] == kcompile.__version__


# ---- the wheel, installed


@pytest.fixture(scope="module")
def installed(built: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment that has the wheel and, by a path, this one's dependencies."""
    if not find_spec("pip"):
        pytest.skip("there is no pip here to install the wheel")
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python]
    answer = process([*pip, "install", "-q", "--no-deps", "--no-index", built[0]], folder)
    assert answer.code == 0, answer.err
    # A path in a .pth file is searched last, and the .pth files there, such as that of an editable
    # install, are not read.
    site = next((folder / "lib").glob("python*/site-packages"))
    paths = dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib"))
    (site / "dependencies.pth").write_text("".join(f"{path}\n" for path in paths))
    return folder / "bin"


def test_the_wheel_builds_the_example(installed: Path, tmp_path: Path) -> None:
    """To the last byte as the golden has it, from a folder far from the checkout."""
    shutil.copytree(CASE / "input", tmp_path / "input")
    where = [installed / "python", "-c", "import kcompile; print(kcompile.__file__)"]
    assert process(where, tmp_path, PYTHONPATH="").out.startswith(str(installed.parent))
    answer = process([installed / "kcompile", "build", "input"], tmp_path, PYTHONPATH="")
    assert (answer.code, answer.out) == (0, "")
    assert answer.err == (CASE / "expected" / "stderr.txt").read_text()
    assert contents(tmp_path / "bundle") == contents(CASE / "expected" / "bundle")
    lock = tmp_path / "input" / "kcompile.lock"
    assert lock.read_bytes() == (CASE / "expected" / "kcompile.lock").read_bytes()


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_wheel_explains_what_is_wrong(installed: Path, tmp_path: Path) -> None:
    """For which it needs its schemas in the slow form, too."""
    (tmp_path / "a.yaml").write_text("apiVersion: v1\nkind: Service\nmetadata: {nam: a}\n")
    answer = process([installed / "kcompile", "build", "a.yaml"], tmp_path, PYTHONPATH="")
    assert (answer.code, answer.out) == (1, "")
    assert "a.yaml:3:12: KC203: unknown field 'nam' in metadata" in answer.err


def test_the_wheel_knows_its_version(installed: Path, tmp_path: Path) -> None:
    answer = process([installed / "kcompile", "--version"], tmp_path, PYTHONPATH="")
    assert answer.out == f"kcompile, version {kcompile.__version__}\n"
