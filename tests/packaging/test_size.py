"""Nothing is larger than one can hold in one's head. An exception needs a reason, and ends when it is not needed."""

import ast
from collections.abc import Iterator, Sequence
from typing import Any

FILE_LINES = 300
FUNCTION_LINES = 40  # from `def` to the end, without the docstring
PUBLIC_METHODS = 8  # without properties, and without the laws (`test_...`) of a contract suite
CONSTRUCTOR_PARAMETERS = 6  # of a written __init__, without self; a frozen value may have more fields

# "path" or "path::qualified.name" → why it is larger.
EXCEPTIONS: dict[str, str] = {
    "memkit/memory.py::Memory": "the verbs are the interface: ten of them, `records` and `graph` beside `history`",
    "memkit/coroutines.py::AsyncMemory": "the same ten verbs",
    "memkit/ports/graph.py::Graph": "a graph is read in several directions: by name, fact and passage, and back",
    "memkit/ports/store.py::Derived": "rows, extractions, and what is made of them to be searched",
    "memkit/values.py": "the vocabulary is looked up in one place; nothing in it is longer than a screen",
}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def named(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, Function | ast.ClassDef]]:
    """Every function and class with its qualified name, outermost first."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, Function | ast.ClassDef):
            yield prefix + node.name, node
            yield from named(node, f"{prefix}{node.name}.")
        else:
            yield from named(node, prefix)


def lines_of(function: Function) -> int:
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    if ast.get_docstring(function, clean=False) is not None:
        text = function.body[0]
        lines -= (text.end_lineno or text.lineno) - text.lineno + 1
    return lines


def is_property(function: Function) -> bool:
    names = {ast.unparse(decorator).rpartition(".")[2] for decorator in function.decorator_list}
    return bool(names & {"property", "cached_property", "setter", "overload"})


def public_methods(cls: ast.ClassDef) -> int:
    methods = [node for node in cls.body if isinstance(node, Function) and not is_property(node)]
    return sum(not method.name.startswith(("_", "test_")) for method in methods)


def constructor_parameters(cls: ast.ClassDef) -> int:
    for node in cls.body:
        if isinstance(node, Function) and node.name == "__init__":
            a = node.args
            return len(a.posonlyargs) + len(a.args) + len(a.kwonlyargs) - 1 + bool(a.vararg) + bool(a.kwarg)
    return 0


def too_large(module: Any) -> Iterator[tuple[str, str]]:
    """What is over a limit in one module, and by how much."""
    if (lines := module.text.count("\n")) > FILE_LINES:
        yield module.path, f"{lines} lines, at most {FILE_LINES}"
    for name, node in named(module.tree):
        place = f"{module.path}::{name}"
        if isinstance(node, Function):
            if (lines := lines_of(node)) > FUNCTION_LINES:
                yield place, f"{lines} lines, at most {FUNCTION_LINES}"
            continue
        if (methods := public_methods(node)) > PUBLIC_METHODS:
            yield place, f"{methods} public methods, at most {PUBLIC_METHODS}"
        if (parameters := constructor_parameters(node)) > CONSTRUCTOR_PARAMETERS:
            yield place, f"{parameters} constructor parameters, at most {CONSTRUCTOR_PARAMETERS}"


def test_files_functions_classes_and_constructors_stay_small(modules: Sequence[Any]) -> None:
    found = [f"{place}: {why}" for module in modules for place, why in too_large(module) if place not in EXCEPTIONS]
    assert found == [], "\n".join(["too large; split it, or name it in EXCEPTIONS with the reason:", *found])


def test_every_exception_is_still_needed(modules: Sequence[Any]) -> None:
    needed = {place for module in modules for place, _ in too_large(module)}
    assert sorted(EXCEPTIONS.keys() - needed) == []
