"""The modules' order, and that each can be imported by itself."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_imports_go_one_way() -> None:
    command = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run(
        [sys.executable, "-c", command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_every_module_can_be_imported_first() -> None:
    """No cycle hides behind the order in which a program happens to import."""
    compiler = ROOT / "compiler"
    names = [
        ".".join(path.relative_to(compiler).with_suffix("").parts).removesuffix(".__init__")
        for path in sorted((compiler / "kcompile").rglob("*.py"))
    ]
    code = (
        "import sys, importlib\n"
        "before = set(sys.modules)\n"
        f"for name in {names!r}:\n"
        "    for loaded in set(sys.modules) - before:\n"
        "        if loaded.partition('.')[0] == 'kcompile': del sys.modules[loaded]\n"
        "    importlib.import_module(name)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
