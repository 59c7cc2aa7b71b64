"""Compile kernels for an NVIDIA GPU that need not be here, and print their PTX as a list. Run in a process of its own.

    python compile_for_gpu.py '[{"module": ..., "kernel": ..., "types": {...}, "constants": {...}, "warps": 4}]'

`types` gives each argument's Triton type ("*fp16", "i32"; pointers and i32 are taken for multiples of 16),
`constants` the arguments that are known when compiling. The interpreter accepts what the compiler refuses: dots below
16, mixed types, shapes that are no powers of two. A process that interprets kernels cannot compile them.
"""

import importlib
import json
import sys

import triton
from triton.backends.compiler import GPUTarget

HOPPER = 90


def compiled(module: str, kernel: str, types: dict[str, str], constants: dict[str, object], warps: int) -> str:
    function = getattr(importlib.import_module(module), kernel)
    place = {name: (at,) for at, name in enumerate(function.arg_names)}
    signature = {name: "constexpr" if name in constants else types[name] for name in place}
    source = triton.compiler.ASTSource(
        function,
        signature,
        {place[name]: value for name, value in constants.items()},
        {place[name]: [["tt.divisibility", 16]] for name in place if name not in constants},
    )
    options = {"num_warps": warps, "enable_fp_fusion": True}
    return triton.compile(source, target=GPUTarget("cuda", HOPPER, 32), options=options).asm["ptx"]


if __name__ == "__main__":
    print(json.dumps([compiled(**asked) for asked in json.loads(sys.argv[1])]))
