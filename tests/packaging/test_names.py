"""Names that would break someone else's code, or lead someone to someone else's package."""

import ast
import builtins
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# The words of one command: it ends with the line, or where a shell, a comment or a quotation ends it.
INSTALL = re.compile(r"""\b(?:pip[0-9.]*|pipx|uv|poetry)\s+(?:install|add)\s+([^\n#;&|`"')]*)""")
OURS = re.compile(r"(?<![\w./-])memkit(?![\w-])")


def names_the_stranger(text: str) -> list[str]:
    """The install commands in a text that name the package `memkit`, which is not ours."""
    return [found.group(0) for found in INSTALL.finditer(text) if OURS.search(found.group(1))]


def test_the_search_finds_the_stranger_and_only_the_stranger() -> None:
    pip, uv = "pip install", "uv add"
    assert names_the_stranger(f"{pip} -U memkit")
    assert names_the_stranger(f"{pip} memkit[local]")
    assert names_the_stranger(f"{uv} memkit==1.0")
    assert not names_the_stranger(f"{pip} agentic-memkit")
    assert not names_the_stranger(f"{pip} 'agentic-memkit[local]'  # then: import memkit")
    assert not names_the_stranger(f"{pip} memkit-server ./memkit/")


def test_no_text_tells_anyone_to_install_the_stranger_called_memkit(root: Path, files: Sequence[Path]) -> None:
    """Our distribution is agentic-memkit. The changelog may tell the story."""
    found: dict[str, list[str]] = {}
    for path in files:
        if path.name == "CHANGELOG.md":
            continue
        try:
            text = (root / path).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # not a text
        if commands := names_the_stranger(text):
            found[str(path)] = commands
    assert found == {}


def test_no_module_is_called_like_a_builtin(modules: Sequence[Any]) -> None:
    taken = set(dir(builtins))
    assert [module.path for module in modules if Path(module.path).stem in taken - {"__doc__"}] == []


def test_no_package_is_called_stores_or_kernels(root: Path) -> None:
    """With kernels/__init__.py and the root on sys.path, transformers takes ours for the Hugging Face package."""
    assert not (root / "stores" / "__init__.py").exists()
    assert not (root / "kernels" / "__init__.py").exists()


def test_no_import_names_a_mock(root: Path, files: Sequence[Path]) -> None:
    """Fakes are small real implementations; memkit.testing ships several."""
    found = []
    for path in (path for path in files if path.suffix == ".py"):
        for node in ast.walk(ast.parse((root / path).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names = {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
            elif isinstance(node, ast.arg):
                names = {node.arg}
            else:
                continue
            if names & {"unittest.mock", "mock", "pytest_mock", "mocker"}:
                found.append(f"{path}:{node.lineno}")
    assert found == []
