"""The package as others import it; needs neither torch nor triton, except where it says so."""

import subprocess
import sys
from pathlib import Path

import pytest

KERNELS = Path(__file__).parents[2] / "kernels"


def run(code: str) -> str:
    """What a fresh Python prints."""
    start = f"import sys; sys.path.insert(0, {str(KERNELS)!r})\n"
    return subprocess.run([sys.executable, "-c", start + code], capture_output=True, text=True, check=True).stdout


def test_importing_the_package_loads_neither_torch_nor_triton() -> None:
    assert run("import memkit_kernels; print({'torch', 'triton'} & set(sys.modules))") == "set()\n"


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert "no attribute 'nothing'" in run(
        "import memkit_kernels\ntry: memkit_kernels.nothing\nexcept AttributeError as e: print(e)"
    )


@pytest.mark.parametrize("first", ["import memkit_kernels", "from memkit_kernels.sim_topk import sim_topk"])
def test_an_operation_is_its_function_whoever_imports_what_first(first: str) -> None:
    pytest.importorskip("torch")
    code = f"{first}\nimport memkit_kernels\nfor _ in range(2): print(type(memkit_kernels.sim_topk).__name__)"
    assert run(code) == "function\nfunction\n"


def test_the_folder_around_the_package_is_no_package() -> None:
    """With an `__init__.py` it would shadow the `kernels` package that transformers imports."""
    assert not (KERNELS / "__init__.py").exists()
