"""The modules' order, and that each can be imported by itself."""

import sys
from pathlib import Path

from cli_runs import process, python

ROOT = Path(__file__).parent.parent


def test_imports_go_one_way() -> None:
    command = "from importlinter.cli import lint_imports_command as lint; lint(['--no-cache'])"
    answer = process([sys.executable, "-c", command], ROOT)
    assert answer.code == 0, answer.out + answer.err
    assert "0 broken" in answer.out


def test_every_module_can_be_imported_first(tmp_path: Path) -> None:
    """No cycle hides behind the order in which a program happens to import.

    To import a module is to import its package first: what that loads needs no turn of its own.
    """
    compiler = ROOT / "compiler"
    names = [
        ".".join(path.relative_to(compiler).with_suffix("").parts).removesuffix(".__init__")
        for path in sorted((compiler / "kcompile").rglob("*.py"))
    ]
    code = (
        "import sys, importlib\n"
        "def ours(): return {name for name in sys.modules if name.partition('.')[0] == 'kcompile'}\n"
        "loaded = {}\n"
        f"for name in {names!r}:\n"
        "    if name in loaded.get(name.rpartition('.')[0], ()): continue\n"
        "    for other in ours(): del sys.modules[other]\n"
        "    importlib.import_module(name)\n"
        "    loaded[name] = ours()\n"
        "print(len(loaded))\n"
    )
    answer = python(code, tmp_path)
    assert answer.code == 0, answer.err
    assert int(answer.out) > 20
