"""linear_surprisal beside the product that is in it, and what else tells of logits. Does not know how anything is timed."""

from collections.abc import Callable, Iterable
from functools import partial
from importlib import import_module
from importlib.util import find_spec

import torch
from torch import Tensor

from memkit_kernels.bench.cases import Bar, Case, Contest, Kind, absent, lazily
from memkit_kernels.linear_surprisal import Want, linear_surprisal

FEATURES, WORDS = 4096, 128_256  # Llama 3, 8B
CUDA_ROWS = (1, 64, 512, 1024, 2048, 4096, 8192)
BARRED = 512  # rows from which on the product, and not reading the weights, is what counts
BAR = Bar(of="matrix product", least=0.7)
CPU_WORDS = 32_000
CPU_ROWS = (64, 128, 256, 512, 1024)
TOLD: tuple[Want, ...] = ("surprisal", "entropy")
CHECKED = 64  # rows

Rivals = dict[str, Callable[[], object] | str]
Both = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]


def cases(kind: Kind) -> Iterable[Case]:
    """Surprisal and entropy of a batch: on a GPU of Llama 3's width and vocabulary, on a CPU of smaller models'."""
    if kind == "cuda":
        for n in CUDA_ROWS:
            yield _case(n, WORDS, FEATURES, torch.bfloat16, BAR if n >= BARRED else None)
        return
    for d in (384, 768):
        for n in CPU_ROWS:
            yield _case(n, CPU_WORDS, d, torch.float32, None)


def _case(n: int, v: int, d: int, dtype: torch.dtype, bar: Bar | None) -> Case:
    return Case(
        operation="linear_surprisal",
        variant=f"surprisal and entropy, D={d}, V={v:,}",
        size={"N": n, "V": v, "D": d},
        along="N",
        dtype=dtype,
        prepare=partial(_prepare, n, v, d, dtype),
        bar=bar,
    )


def _prepare(n: int, v: int, d: int, dtype: torch.dtype, device: torch.device) -> Contest:
    generator = torch.Generator(device).manual_seed(1)
    x = torch.randn((n, d), generator=generator, device=device).to(dtype)
    weight = torch.randn((v, d), generator=generator, device=device).div_(d**0.5).to(dtype)
    target = torch.randint(0, v, (n,), generator=generator, device=device)
    ours = partial(linear_surprisal, x, weight, target, want=TOLD)
    given = (x, weight, target)
    return Contest(
        ours=ours,
        rivals={"matrix product": lambda: x @ weight.T} | _plain(*given) | _liger(*given) | _losses(*given),
        moved=x.nbytes + weight.nbytes + target.nbytes + 2 * 4 * n,
        flops=2 * n * v * d,
        check=partial(_check, *given),
        memory={
            "ours": "no logits",
            "matrix product": f"{x.element_size() * n * v / 1e6:.0f} MB of logits",
            "torch logits": f"{4 * n * v / 1e6:.0f} MB of float32 logits, several times",
        },
    )


def _both(x: Tensor, weight: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """As it is usually written."""
    logs = (x @ weight.T).float().log_softmax(dim=-1)
    return -logs.gather(1, target[:, None])[:, 0], -(logs.exp() * logs).sum(dim=-1)


def _plain(x: Tensor, weight: Tensor, target: Tensor) -> Rivals:
    rivals: Rivals = {"torch logits": lambda: _both(x, weight, target)}
    if x.is_cuda:
        compiled: Both = torch.compile(_both, dynamic=False)
        return rivals | {"torch.compile of them": lambda: compiled(x, weight, target)}
    return rivals | {"torch.compile of them": "on a GPU only: on a CPU it compiles for longer than all cases take"}


def _liger(x: Tensor, weight: Tensor, target: Tensor) -> Rivals:
    name = "Liger-Kernel, loss only"
    if not x.is_cuda:
        return {}
    if find_spec("liger_kernel") is None:
        return {name: absent("liger_kernel", "pip install liger-kernel")}

    def ready() -> Callable[[], object]:
        fused = import_module("liger_kernel.transformers.functional").liger_fused_linear_cross_entropy
        return partial(fused, x, weight, target, reduction="none")

    return {name: lazily(ready)}


def _losses(x: Tensor, weight: Tensor, target: Tensor) -> Rivals:
    """PyTorch's own, whole and in chunks."""
    functional, name = torch.nn.functional, "F.linear_cross_entropy, loss only"
    if not hasattr(functional, "linear_cross_entropy"):
        return {name: f"torch {torch.__version__} has no linear_cross_entropy; 2.13 has"}
    rivals: Rivals = {name: lambda: functional.linear_cross_entropy(x, weight, target, reduction="none")}
    if x.is_cuda:  # on a CPU its chunks take many seconds
        options = torch.nn.LinearCrossEntropyOptions()
        rivals[f"{name}, in chunks"] = lambda: functional.linear_cross_entropy(x, weight, target, options=options)
    return rivals


def _check(x: Tensor, weight: Tensor, target: Tensor) -> None:
    """Against float64 logits, for the first and the last rows. Inputs are taken as they are, rounded or not."""
    n = len(x)
    found = linear_surprisal(x, weight, target, want=TOLD)
    rows = torch.arange(n, device=x.device)
    rows = rows if n <= CHECKED else torch.cat((rows[: CHECKED // 2], rows[-CHECKED // 2 :]))
    logs = (x[rows].double() @ weight.double().T).log_softmax(dim=-1)
    surprisal = -logs.gather(1, target[rows][:, None])[:, 0]
    assert found.surprisal is not None
    assert found.entropy is not None
    torch.testing.assert_close(found.surprisal[rows].double(), surprisal, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found.entropy[rows].double(), -(logs.exp() * logs).sum(dim=-1), rtol=1e-4, atol=1e-4)
