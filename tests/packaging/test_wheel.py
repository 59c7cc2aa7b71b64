"""What a user's site-packages receives."""

import subprocess
import sys
from collections.abc import Sequence
from email import message_from_string
from pathlib import Path, PurePosixPath
from zipfile import ZipFile

import pytest

BUILD = "import sys, hatchling.build; print(hatchling.build.build_wheel(sys.argv[1]))"
DATA = {".jsonl", ".md", ".txt"}


@pytest.fixture(scope="module")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> ZipFile:
    """The wheel, built from the tree as it is; takes about a second."""
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-c", BUILD, str(folder)], cwd=root, check=True, capture_output=True, timeout=60)
    return ZipFile(next(folder.glob("*.whl")))


def shipped(wheel: ZipFile) -> set[str]:
    """What the wheel holds besides its own papers."""
    return {name for name in wheel.namelist() if not PurePosixPath(name).parts[0].endswith(".dist-info")}


def test_the_wheel_holds_every_file_of_the_three_packages_and_no_other(
    wheel: ZipFile, files: Sequence[Path], packages: Sequence[str]
) -> None:
    parents = {PurePosixPath(package).name: PurePosixPath(package).parent for package in packages}
    written = {path.as_posix() for path in files if path.as_posix().startswith(tuple(f"{p}/" for p in packages))}
    assert {(parents[PurePosixPath(name).parts[0]] / name).as_posix() for name in shipped(wheel)} == written


def test_the_wheel_holds_code_prompts_word_lists_and_type_markers_only(wheel: ZipFile) -> None:
    odd = [name for name in shipped(wheel) if PurePosixPath(name).suffix not in {".py", *DATA}]
    assert sorted(odd) == sorted(f"{name}/py.typed" for name in ("memkit", "memkit_kernels", "memkit_stores"))


def test_the_wheel_says_what_it_is_and_may_not_be_uploaded(wheel: ZipFile) -> None:
    name = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    metadata = message_from_string(wheel.read(name).decode())
    assert (metadata["Name"], metadata["License-Expression"]) == ("agentic-memkit", "Apache-2.0")
    assert "Private :: Do Not Upload" in metadata.get_all("Classifier", [])
    assert any(name.endswith("/licenses/LICENSE") for name in wheel.namelist())


def test_the_wheel_brings_one_command_and_one_pytest_plugin(wheel: ZipFile) -> None:
    name = next(name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    assert wheel.read(name).decode().split("\n") == [
        "[console_scripts]",
        "memkit = memkit.cli:main",
        "",
        "[pytest11]",
        "memkit.testing.plugin = memkit.testing.plugin",
        "",
    ]
