"""sim_topk beside what else finds the best keys, and what of it is in memory. Does not know how anything is timed."""

from collections.abc import Callable, Iterable
from functools import partial
from importlib import import_module
from importlib.util import find_spec

import torch
from torch import Tensor

from memkit_kernels.bench.cases import Bar, Case, Contest, Kind, absent, lazily
from memkit_kernels.sim_topk import quantise, sim_topk

FEATURES = 384  # of MiniLM and its kin
FOUND = 10
CUDA_KEYS = (100_000, 1_000_000, 3_000_000, 10_000_000)
CPU_KEYS = (3_000, 10_000, 30_000, 100_000, 200_000)
BARRED = 1_000_000  # keys from which on the pass over them is what counts
BAR = Bar(of="copy bandwidth", least=0.8)
ROWS_AT_ONCE = 1 << 20  # of keys that are made

Rivals = dict[str, Callable[[], object] | str]


def cases(kind: Kind) -> Iterable[Case]:
    """The best ten of 384 features, for one query and for a batch; on a GPU also from eight-bit keys."""
    dtype = torch.bfloat16 if kind == "cuda" else torch.float32
    for m in (1, 4, 16, 64) if kind == "cuda" else (1, 64):
        for n in CUDA_KEYS if kind == "cuda" else CPU_KEYS:
            barred = kind == "cuda" and n >= BARRED
            yield _case(m, n, dtype, coarse=False, bar=BAR if barred else None)
            if kind == "cuda" and m in (1, 64):
                yield _case(m, n, dtype, coarse=True, bar=None)


def _case(m: int, n: int, dtype: torch.dtype, *, coarse: bool, bar: Bar | None) -> Case:
    queries = f"{m} {'query' if m == 1 else 'queries'}"
    return Case(
        operation="sim_topk",
        variant=f"k={FOUND}, D={FEATURES}, {queries}{', by eight bits' if coarse else ''}",
        size={"N": n, "M": m, "D": FEATURES},
        along="N",
        dtype=dtype,
        prepare=partial(_prepare, m, n, dtype, coarse),
        bar=bar,
    )


def _prepare(m: int, n: int, dtype: torch.dtype, coarse: bool, device: torch.device) -> Contest:
    keys = _units(n, dtype, device, seed=1)
    queries = _units(m, dtype, device, seed=2)
    small = quantise(keys) if coarse else None
    results = m * FOUND * 12
    if small is None:
        moved = keys.nbytes + queries.nbytes + results
        rivals = _torch(queries, keys) | _faiss(queries, keys) | _cuvs(queries, keys)
    else:
        moved = small.values.nbytes + small.steps.nbytes + queries.nbytes + results
        rivals = {"sim_topk of the keys": lambda: sim_topk(queries, keys, FOUND)}
    memory = {
        "ours": f"{4 * m * -(-n // (32 if coarse else 64)) / 1e6:.1f} MB of group maxima",
        "torch": f"{queries.element_size() * m * n / 1e6:.1f} MB of scores",
    }
    return Contest(
        ours=lambda: sim_topk(queries, keys, FOUND, coarse=small),
        rivals=rivals,
        moved=moved,
        flops=2 * m * n * FEATURES,
        check=partial(_check, queries, keys, lambda: sim_topk(queries, keys, FOUND, coarse=small), coarse),
        memory=memory if small is None else {"ours": memory["ours"]},
    )


def _units(n: int, dtype: torch.dtype, device: torch.device, *, seed: int) -> Tensor:
    """Unit vectors."""
    made = torch.empty((n, FEATURES), dtype=dtype, device=device)
    generator = torch.Generator(device).manual_seed(seed)
    for start in range(0, n, ROWS_AT_ONCE):
        some = torch.randn((min(ROWS_AT_ONCE, n - start), FEATURES), generator=generator, device=device)
        made[start : start + ROWS_AT_ONCE] = some / some.norm(dim=1, keepdim=True)
    return made


def _torch(queries: Tensor, keys: Tensor) -> Rivals:
    return {"torch matmul + topk": lambda: (queries @ keys.T).topk(FOUND)}


def _faiss(queries: Tensor, keys: Tensor) -> Rivals:
    if find_spec("faiss") is None:
        return {"faiss flat": absent("faiss", "pip install faiss-cpu, or faiss-gpu-cu12 for a GPU")}
    faiss = import_module("faiss")
    if keys.device.type == "cpu":
        index = faiss.IndexFlatIP(FEATURES)
        index.add(keys.numpy())
        return {"faiss flat": lambda: index.search(queries.numpy(), FOUND)}
    if not hasattr(faiss, "StandardGpuResources"):
        return {"faiss-gpu flat": absent("faiss-gpu", "the faiss that is here was built for CPUs")}

    def ready() -> Callable[[], object]:
        resources, options = faiss.StandardGpuResources(), faiss.GpuIndexFlatConfig()
        options.useFloat16 = True  # it stores no bfloat16; the same bytes
        index = faiss.GpuIndexFlatIP(resources, FEATURES, options)
        for some in keys.split(ROWS_AT_ONCE):
            index.add(some.float().cpu().numpy())
        asked = queries.float().cpu().numpy()
        return lambda: (resources, index.search(asked, FOUND))[1]  # which waits for its result

    return {"faiss-gpu flat, fp16": lazily(ready)}


def _cuvs(queries: Tensor, keys: Tensor) -> Rivals:
    if keys.device.type == "cpu":
        return {}
    if find_spec("cuvs") is None:
        return {"cuVS brute force": absent("cuvs", "pip install cuvs-cu12")}

    def ready() -> Callable[[], object]:
        brute_force = import_module("cuvs.neighbors.brute_force")
        halves, asked = keys.half(), queries.half()  # it takes no bfloat16; the same bytes
        index = brute_force.build(halves, metric="inner_product")
        return lambda: (halves, brute_force.search(index, asked, FOUND))[1]  # the index may refer to its keys

    return {"cuVS brute force, fp16": lazily(ready)}


def _check(queries: Tensor, keys: Tensor, ours: Callable[[], tuple[Tensor, Tensor]], coarse: bool) -> None:
    """Scores belong to their indices, and nothing is missed that is better by more than rounding; coarsely, that is half
    a step of the keys and of the found: a 127th of the largest feature of a key, times the query's sum."""
    scores, indices = ours()
    own = torch.einsum("md,mkd->mk", queries.float(), keys[indices].float())
    torch.testing.assert_close(scores, own, rtol=1e-4, atol=1e-5)
    true = torch.stack([(keys @ query).float().topk(FOUND + 1).values[FOUND] for query in queries])
    allowed = 1e-2 + (queries.float().abs().sum(1) * keys.abs().max().float() / 127 if coarse else 0.0)
    assert (scores[:, -1] >= true - allowed).all(), "a better key was missed"
