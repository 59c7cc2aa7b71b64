"""Operations on tensors that memkit's stores and models are built on, each with a plain torch definition.

Knows shapes and numbers. Does not know what a memory, a namespace, a database or a model is, and importing it
loads neither torch nor triton: an operation's module is loaded when its name is first used.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from memkit_kernels.ppr import ppr
    from memkit_kernels.sim_topk import sim_topk

__all__ = ["ppr", "sim_topk"]


class _Operations(ModuleType):
    """This package. An operation's name means its function, although the function's folder has the same name.

    Python binds a submodule to its parent when it is imported, so without this `memkit_kernels.sim_topk` would be
    the function or the folder, depending on who imported what first.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if name in __all__ and isinstance(value, ModuleType):
            value = getattr(value, name)
        super().__setattr__(name, value)


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{name}"), name)


sys.modules[__name__].__class__ = _Operations
