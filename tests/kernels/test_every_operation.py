"""What holds for every operation, whoever writes the next one."""

import ast
import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

import memkit_kernels
from memkit_kernels import OPERATIONS

HERE = Path(memkit_kernels.__file__).parent
FILES = ("README.md", "__init__.py", "bench.py", "kernel.py", "reference.py")
LENGTHS = frozenset("BLMNSTV")  # axes that change from call to call: tokens, keys, sequences, words
STRIDES = {("memkit_kernels.ppr.kernel._sweep", "M")}  # a length that is a stride as well: rows are read in 16 bytes
OUR_OWN = {"sim_topk"}  # written down first here
Jitted = tuple[str, ast.FunctionDef, ast.Call | None]


def jitted() -> Iterator[Jitted]:
    """Every function that Triton compiles: its module, its tree, and the call of its decorator if it is one."""
    for path in sorted(HERE.rglob("*.py")):
        module = ".".join(["memkit_kernels", *path.relative_to(HERE).with_suffix("").parts])
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            for decorator in getattr(node, "decorator_list", []):
                called = decorator.func if isinstance(decorator, ast.Call) else decorator
                if ast.unparse(called) in ("triton.jit", "jit"):
                    yield module, node, decorator if isinstance(decorator, ast.Call) else None


def known_when_compiling(function: ast.FunctionDef) -> set[str]:
    return {one.arg for one in function.args.args if one.annotation and "constexpr" in ast.unparse(one.annotation)}


def launched() -> Iterator[Jitted]:
    """Those that are programs of their own and not parts of others."""
    everything = list(jitted())
    nodes = [node for _, function, _ in everything for node in ast.walk(function)]
    parts = {node.func.id for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    return (one for one in everything if one[1].name not in parts)


def unspecialised(module: str, decorator: ast.Call | None) -> set[str]:
    for given in decorator.keywords if decorator else []:
        if given.arg == "do_not_specialize":
            parts = given.value.elts if isinstance(given.value, ast.List) else [ast.Starred(given.value)]
            names = set[str]()
            for part in parts:  # a name in quotes, or a list that has a name
                starred = isinstance(part, ast.Starred)
                value = ast.unparse(part.value if starred else part)
                names |= set(getattr(import_module(module), value)) if starred else {ast.literal_eval(value)}
            return names
    return set()


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_has_all_its_files(operation: str) -> None:
    there = {path.name for path in (HERE / operation).iterdir()}
    assert set(FILES) <= there


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_is_one_function_with_a_backend_that_can_be_demanded(operation: str) -> None:
    function = getattr(memkit_kernels, operation)
    given = inspect.signature(function).parameters
    assert (given["backend"].default, given["strict"].default) == ("auto", False)
    assert {given[name].kind for name in ("backend", "strict")} == {inspect.Parameter.KEYWORD_ONLY}
    assert import_module(f"memkit_kernels.{operation}").__all__.count(operation) == 1


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_contract_says_axes_errors_and_where_the_idea_is_from(operation: str) -> None:
    told = inspect.getdoc(getattr(memkit_kernels, operation)) or ""
    assert "Axes: " in told or "whose docstring has them" in told
    assert "ValueError" in told
    assert re.search(r"BackendUnavailable|see `memkit_kernels.backend`", told)
    if operation not in OUR_OWN:
        assert re.search(r"\b(Sources?|idea)\b.*\b(19|20)\d\d\b|arXiv", told, re.DOTALL), "no source with its year"


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_readme_says_what_it_costs_and_that_no_gpu_timed_it_or_which_did(operation: str) -> None:
    told = (HERE / operation / "README.md").read_text(encoding="utf-8")
    assert "FLOP" in told
    assert re.search(r"GB/s|TB/s|bytes", told)
    assert re.search(r"No time here was measured on a GPU yet|not timed|not measured|measured on (an|a) NVIDIA", told)


def test_no_length_is_compiled_in() -> None:
    """It would be a compilation for each new length, in the middle of work."""
    found = {
        f"{module}.{function.name}": sorted(bad)
        for module, function, _ in jitted()
        if (bad := known_when_compiling(function) & LENGTHS)
    }
    assert found == {}


def test_every_length_is_passed_without_a_look_at_its_value() -> None:
    """Else Triton compiles once for 1, once for multiples of 16 and once for the rest."""
    found, seen = set(), 0
    for module, function, decorator in launched():
        seen += 1
        lengths = {one.arg for one in function.args.args} & LENGTHS - known_when_compiling(function)
        found |= {(f"{module}.{function.name}", name) for name in lengths - unspecialised(module, decorator)}
    assert found == STRIDES
    assert seen >= len(OPERATIONS) - 1  # that the search still finds kernels


def test_what_is_passed_unspecialised_is_an_argument() -> None:
    for module, function, decorator in jitted():
        assert unspecialised(module, decorator) <= {one.arg for one in function.args.args}, function.name


def autotuners() -> Iterator[tuple[str, object]]:
    """Every kernel that is tuned, also those kept in a dictionary."""
    triton = pytest.importorskip("triton")
    for name in sorted({module for module, _, _ in jitted()}):
        values = list(vars(import_module(name)).values())
        values += [value for held in values if isinstance(held, dict) for value in held.values()]
        yield from ((name, value) for value in values if isinstance(value, triton.runtime.Autotuner))


def test_a_kernel_is_tuned_by_what_is_compiled_in_and_never_by_a_length() -> None:
    seen = 0
    for module, tuner in autotuners():
        seen += 1
        arguments = inspect.signature(tuner.base_fn).parameters
        known = {name for name, given in arguments.items() if "constexpr" in str(given.annotation)}
        named = f"{module}.{tuner.base_fn.__name__}"
        assert set(tuner.keys) <= known - LENGTHS, f"{named} is tuned anew for each {set(tuner.keys) - known}"
    assert seen
