"""`import memkit` loads the framework's own few modules, fast, and does nothing else."""

import importlib.util
import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest

PROBE = Path(__file__).parent / "probe.py"
HEAVY = {
    "faiss",
    "fastapi",
    "langchain_core",
    "mcp",
    "networkx",
    "numpy",
    "openai",
    "pgvector",
    "psycopg",
    "pydantic",
    "rich",
    "scipy",
    "sentence_transformers",
    "sqlalchemy",
    "torch",
    "transformers",
    "triton",
    "typer",
}
BUDGET_SECONDS = 0.080
ROUNDS = 7


def python(*arguments: str, **variables: str) -> str:
    """The output of a fresh interpreter that finds memkit where this one does."""
    spec = importlib.util.find_spec("memkit")
    assert spec is not None
    assert spec.origin is not None
    environment = os.environ | {"PYTHONPATH": str(Path(spec.origin).parent.parent)} | variables
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60).stdout


@pytest.fixture(scope="module")
def observed() -> dict[str, Any]:
    """What probe.py saw while it imported memkit."""
    found: dict[str, Any] = json.loads(python("-B", str(PROBE)))  # -B: no cache file is written
    return found


def is_code(path: str, observed: dict[str, Any]) -> bool:
    """Whether a file belongs to memkit's own package or to the standard library."""
    package = Path(observed["file"]).parent
    standard = (Path(sysconfig.get_path("stdlib")), Path(sysconfig.get_path("platstdlib")))
    inside = any(Path(path).is_relative_to(folder) for folder in (package, *standard))
    return inside and Path(path).suffix in {".py", ".pyc", ".so"}


def test_importing_memkit_loads_no_heavy_library(observed: dict[str, Any]) -> None:
    loaded = {name.partition(".")[0] for name in observed["modules"]}
    assert not loaded & HEAVY


def test_importing_memkit_loads_neither_stores_nor_kernels(observed: dict[str, Any]) -> None:
    loaded = {name.partition(".")[0] for name in observed["modules"]}
    assert not loaded & {"memkit_stores", "memkit_kernels"}


def test_importing_memkit_opens_no_file_but_code(observed: dict[str, Any]) -> None:
    opened = [path for event, path in observed["events"] if event == "open"]
    assert [path for path in opened if not is_code(path, observed)] == []


def test_importing_memkit_has_no_side_effect_on_the_system(observed: dict[str, Any]) -> None:
    """No socket, no child process, no thread, no file made or removed, no database."""
    assert [event for event in observed["events"] if event[0] != "open"] == []


def test_importing_memkit_starts_no_thread(observed: dict[str, Any]) -> None:
    assert observed["threads"] == 1


def test_importing_memkit_reads_no_environment_variable(observed: dict[str, Any]) -> None:
    """The standard library may read its own (PYTHON...); memkit reads none."""
    standard = Path(sysconfig.get_path("stdlib"))
    readers = [(key, file) for key, file in observed["variables"] if not file.startswith("<frozen")]
    assert [(key, file) for key, file in readers if not Path(file).is_relative_to(standard)] == []


def test_importing_memkit_takes_less_than_80_ms_more_than_python_alone(tmp_path: Path) -> None:
    """The fastest of several imports, because noise only ever adds, and in processor time, because the other
    workers of a test run take turns with this one. Compiled before, as in any installation."""
    cached = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(tmp_path)}
    timed = "import time; start = time.process_time(); import memkit; print(time.process_time() - start)"
    assert min(float(python("-c", timed, **cached)) for _ in range(ROUNDS)) < BUDGET_SECONDS
