"""Imports stand at the top, and no module swallows every error without saying why."""

import ast
import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from typing import Any

# Path pattern → why a function there may import.
LATE_IMPORTS: dict[str, str] = {
    "memkit/__init__.py": "the public names are lazy: importing memkit loads nothing heavy",
    "memkit/models/specs.py": "a spec names an optional library, which is loaded when somebody asks for it",
    "memkit/testing/plugin.py": "pytest imports it in every run where memkit is installed; a fixture loads what it needs",
    "memkit/wiring.py": "an optional library is loaded when a choice asks for it",
    "stores/memkit_stores/indexes.py": "torch is loaded when a store is opened that is to search with it",
    "kernels/memkit_kernels/backend.py": "asks triton, where it is installed, how it was built",
    "kernels/memkit_kernels/*__init__.py": "the kernel behind its reference: triton is loaded where it can run",
}

# Path pattern → why everything may be caught there without a word.
CATCH_ALL: dict[str, str] = {
    "memkit/agents/*": "a tool's error is told to the model, whatever it is",
    "memkit/cli*": "the last frame before the user prints a sentence, not a traceback",
}
REASON = re.compile(r"#\s*(?:noqa: BLE001\s+)?(?!noqa)\S+(?:\s+\S+)+")  # a comment of two words or more


def excepted(path: str, table: dict[str, str]) -> bool:
    return any(fnmatch(path, pattern) for pattern in table)


def late_imports(tree: ast.Module) -> Iterator[ast.stmt]:
    """The imports inside function bodies."""
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from (node for node in ast.walk(function) if isinstance(node, ast.Import | ast.ImportFrom))


def swallows_everything(handler: ast.ExceptHandler) -> bool:
    """A bare except, Exception or BaseException, unless the handler ends by raising it again or something from it."""
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    names = {kind.id for kind in kinds if isinstance(kind, ast.Name)}
    last = handler.body[-1]
    raised = isinstance(last, ast.Raise) and (last.exc is None or last.cause is not None)
    return (handler.type is None or bool(names & {"Exception", "BaseException"})) and not raised


def test_imports_stand_at_the_top(modules: Sequence[Any]) -> None:
    found = [
        f"{module.path}:{node.lineno}"
        for module in modules
        if not excepted(module.path, LATE_IMPORTS)
        for node in late_imports(module.tree)
    ]
    assert found == [], f"import at the top, or name the file in LATE_IMPORTS with the reason: {found}"


def test_what_catches_every_error_says_why(modules: Sequence[Any]) -> None:
    """On the same line, beside the `noqa: BLE001` that ruff asks for."""
    found = [
        f"{module.path}:{node.lineno}"
        for module in modules
        if not excepted(module.path, CATCH_ALL)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ExceptHandler) and swallows_everything(node)
        if not REASON.search(module.text.splitlines()[node.lineno - 1])
    ]
    assert found == [], f"catch what can happen by name, or say on the line why not: {found}"
