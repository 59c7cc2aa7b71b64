"""Compile a kernel for an NVIDIA GPU that need not be here, and print its PTX. Run in a process of its own.

    python compile_for_gpu.py '{"module": ..., "kernel": ..., "types": {...}, "constants": {...}, "warps": 4}'

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


def main() -> None:
    asked = json.loads(sys.argv[1])
    kernel = getattr(importlib.import_module(asked["module"]), asked["kernel"])
    place = {name: (at,) for at, name in enumerate(kernel.arg_names)}
    constants = asked["constants"]
    signature = {name: "constexpr" if name in constants else asked["types"][name] for name in kernel.arg_names}
    source = triton.compiler.ASTSource(
        kernel,
        signature,
        {place[name]: value for name, value in constants.items()},
        {place[name]: [["tt.divisibility", 16]] for name in kernel.arg_names if name not in constants},
    )
    options = {"num_warps": asked["warps"], "enable_fp_fusion": True}
    print(triton.compile(source, target=GPUTarget("cuda", HOPPER, 32), options=options).asm["ptx"])


if __name__ == "__main__":
    main()
