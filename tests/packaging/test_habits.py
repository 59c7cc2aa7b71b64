"""Imports stand at the top, and no module swallows errors it does not know."""

import ast
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from typing import Any

# Path pattern → why a function there may import.
LATE_IMPORTS: dict[str, str] = {
    "memkit/__init__.py": "the public names are lazy: importing memkit loads nothing heavy",
    "memkit/wiring.py": "an optional library is loaded when a choice asks for it",
    "kernels/memkit_kernels/backend.py": "asks triton, where it is installed, how it was built",
    "kernels/memkit_kernels/*__init__.py": "the kernel behind its reference: triton is loaded where it can run",
}

# Path pattern → why it may catch everything.
CATCH_ALL: dict[str, str] = {
    "memkit/agents/*": "a tool's error is told to the model, whatever it is",
    "memkit/cli.py": "the last frame before the user prints a sentence, not a traceback",
    "memkit/cli/*": "the last frame before the user prints a sentence, not a traceback",
}


def excepted(path: str, table: dict[str, str]) -> bool:
    return any(fnmatch(path, pattern) for pattern in table)


def late_imports(tree: ast.Module) -> Iterator[ast.stmt]:
    """The imports inside function bodies."""
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from (node for node in ast.walk(function) if isinstance(node, ast.Import | ast.ImportFrom))


def catches_everything(handler: ast.ExceptHandler) -> bool:
    """A bare except, Exception or BaseException, unless the handler ends by raising the same again."""
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    names = {kind.id for kind in kinds if isinstance(kind, ast.Name)}
    last = handler.body[-1]
    raises_again = isinstance(last, ast.Raise) and last.exc is None
    return (handler.type is None or bool(names & {"Exception", "BaseException"})) and not raises_again


def test_imports_stand_at_the_top(modules: Sequence[Any]) -> None:
    found = [
        f"{module.path}:{node.lineno}"
        for module in modules
        if not excepted(module.path, LATE_IMPORTS)
        for node in late_imports(module.tree)
    ]
    assert found == [], f"import at the top, or name the file in LATE_IMPORTS with the reason: {found}"


def test_errors_are_caught_by_name(modules: Sequence[Any]) -> None:
    found = [
        f"{module.path}:{node.lineno}"
        for module in modules
        if not excepted(module.path, CATCH_ALL)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ExceptHandler) and catches_everything(node)
    ]
    assert found == [], f"catch what can happen by name: {found}"
