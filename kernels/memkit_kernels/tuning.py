"""How a kernel's tile is chosen where a rule of thumb is not enough: by timing a few, once, on the GPU that is there.

Imports triton: a module for `kernel.py` files alone. Does not know what any kernel computes.
"""

from collections.abc import Callable, Sequence

import triton

from memkit_kernels.backend import interpreted

__all__ = ["tuned"]


def tuned(configs: Sequence[triton.Config], *, key: Sequence[str]) -> Callable[[object], triton.runtime.Autotuner]:
    """A decorator above `@triton.jit`: the fastest of `configs` runs, chosen anew for each value of the `key` arguments.

    Dtypes are part of every key. A length (of tokens, keys, sequences) never may be: each new one would tune again,
    for seconds, in the middle of work. So the first call decides for all lengths, and `memkit_kernels.warmup` makes it
    one of a usual size. The choice is kept in Triton's cache on disk, but not if a config has a `pre_hook`: then each
    process tunes anew, with kernels that are compiled. The interpreter takes the first config.
    """
    chosen = list(configs[:1] if interpreted() else configs)
    return triton.autotune(configs=chosen, key=list(key), cache_results=True)
