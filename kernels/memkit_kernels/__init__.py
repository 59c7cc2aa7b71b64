"""Operations on tensors that memkit's stores and models are built on, each with a plain torch definition.

Knows shapes and numbers. Does not know what a memory, a namespace, a database or a model is, and importing it
loads neither torch nor triton: an operation's module is loaded when its name is first used. `warmup` compiles them.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from memkit_kernels.boundary_refine import boundary_refine
    from memkit_kernels.column_mass import column_mass
    from memkit_kernels.encode_packed import encode_packed
    from memkit_kernels.gather_attention import gather_attention
    from memkit_kernels.gather_rerotate import gather_rerotate
    from memkit_kernels.linear_surprisal import linear_surprisal
    from memkit_kernels.merge_attention import merge_attention
    from memkit_kernels.pool_embeddings import pool_embeddings
    from memkit_kernels.ppr import ppr
    from memkit_kernels.sim_topk import sim_topk
    from memkit_kernels.warming import warmup
    from memkit_kernels.window_attention import window_attention

__all__ = [
    "boundary_refine",
    "column_mass",
    "encode_packed",
    "gather_attention",
    "gather_rerotate",
    "linear_surprisal",
    "merge_attention",
    "pool_embeddings",
    "ppr",
    "sim_topk",
    "warmup",
    "window_attention",
]

OPERATIONS = tuple(name for name in __all__ if name != "warmup")  # each a folder, and in it a function of that name


class _Operations(ModuleType):
    """This package. An operation's name means its function, although the function's folder has the same name.

    Python binds a submodule to its parent when it is imported, so without this `memkit_kernels.sim_topk` would be
    the function or the folder, depending on who imported what first.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if name in OPERATIONS and isinstance(value, ModuleType):
            value = getattr(value, name)
        super().__setattr__(name, value)


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{'warming' if name == 'warmup' else name}"), name)


sys.modules[__name__].__class__ = _Operations
