"""Compile kernels for an NVIDIA GPU that need not be here, and print what came out. Run in a process of its own.

    python compile_for_gpu.py '[{"module": ..., "kernel": ..., "types": {...}, "constants": {...}, "warps": 4}]'

`types` gives each argument's Triton type ("*fp16", "i32"; pointers and i32 are taken for multiples of 16),
`constants` the arguments that are known when compiling; "stages" may be given. Prints a list with, for each, "ptx",
"shared" (bytes a block), "registers" (a thread) and "spilled" (bytes a thread). The interpreter accepts what the compiler
refuses: dots below 16, mixed types, shapes that are no powers of two. A process that interprets kernels cannot compile them.
"""

import importlib
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import triton
from triton.backends.compiler import GPUTarget

HOPPER = 90
CUOBJDUMP = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"


def compiled(
    module: str, kernel: str, types: dict[str, str], constants: dict[str, object], warps: int, stages: int = 3
) -> dict[str, object]:
    function = getattr(importlib.import_module(module), kernel)
    if isinstance(function, triton.runtime.Autotuner):
        function = function.fn
    place = {name: (at,) for at, name in enumerate(function.arg_names)}
    types = {
        name: tuple(said) if isinstance(said, list) else said for name, said in types.items()
    }  # JSON has no tuples
    signature = {name: "constexpr" if name in constants else types[name] for name in place}
    source = triton.compiler.ASTSource(
        function,
        signature,
        {place[name]: value for name, value in constants.items() if name in place},
        {
            place[name]: [["tt.divisibility", 16]]
            for name in place
            if isinstance(signature[name], str) and name not in constants
        },
    )
    options = {"num_warps": warps, "num_stages": stages, "enable_fp_fusion": True}
    built = triton.compile(source, target=GPUTarget("cuda", HOPPER, 32), options=options)
    return {"ptx": built.asm["ptx"], "shared": built.metadata.shared, **resources(built.asm["cubin"])}


def resources(cubin: bytes) -> dict[str, int]:
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        said = subprocess.run([CUOBJDUMP, "-res-usage", file.name], capture_output=True, text=True, check=True).stdout
    found = {name: int(value) for name, value in re.findall(r"\b(REG|STACK|LOCAL):(\d+)", said)}
    return {"registers": found["REG"], "spilled": found["STACK"] + found["LOCAL"]}


if __name__ == "__main__":
    print(json.dumps([compiled(**asked) for asked in json.loads(sys.argv[1])]))
