"""The repository as the packaging tests see it: its files, and the syntax trees of its packages."""

import ast
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("memkit", "stores/memkit_stores", "kernels/memkit_kernels")


@dataclass(frozen=True, slots=True)
class Module:
    """A Python file; `path` is relative to the repository, with forward slashes."""

    path: str
    text: str
    tree: ast.Module


def read(path: Path) -> Module:
    text = path.read_text(encoding="utf-8")
    return Module(path=path.relative_to(ROOT).as_posix(), text=text, tree=ast.parse(text))


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def packages() -> Sequence[str]:
    """The folders of the three import packages, relative to the root."""
    return PACKAGES


@pytest.fixture(scope="session")
def modules() -> Sequence[Module]:
    """Every Python file of the three packages."""
    return [read(path) for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


@pytest.fixture(scope="session")
def files() -> Sequence[Path]:
    """Every file git tracks or would track, relative to the root."""
    if not (ROOT / ".git").exists():
        pytest.skip("needs a git checkout")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [Path(name) for name in sorted(set(listed.split("\0"))) if name and (ROOT / name).is_file()]
