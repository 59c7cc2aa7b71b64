"""gather_rerotate of keys and values, beside torch's own gather and rotation."""

from collections.abc import Callable, Iterable
from functools import partial

import torch
from torch import Tensor

from memkit_kernels.bench.cases import Case, Contest, Kind
from memkit_kernels.gather_rerotate import gather_rerotate, gather_rerotate_reference
from memkit_kernels.testing import assert_close

G, D = 8, 128
ROWS: dict[Kind, int] = {"cpu": 16_384, "cuda": 1_048_576}
KEPT: dict[Kind, tuple[int, ...]] = {
    "cpu": (512, 1024, 2048, 4096, 8192),
    "cuda": (4096, 16_384, 65_536, 262_144, 524_288),
}
DTYPES: dict[Kind, torch.dtype] = {"cpu": torch.float32, "cuda": torch.bfloat16}
CHECKED = 2048  # rows held to the definition


def cases(kind: Kind) -> Iterable[Case]:
    """A cache of 8 heads of 128 from which some rows are kept."""
    n, dtype = ROWS[kind], DTYPES[kind]
    for kept in KEPT[kind]:
        yield Case(
            operation="gather_rerotate", variant=f"of {n:,} rows, {G} x {D}, {str(dtype).removeprefix('torch.')}",
            size={"L": kept, "N": n, "G": G, "D": D}, along="L", dtype=dtype,
            prepare=partial(_prepare, n, kept, dtype),
        )  # fmt: skip


def _prepare(n: int, kept: int, dtype: torch.dtype, device: torch.device) -> Contest:
    chance = torch.Generator(device).manual_seed(0)
    keys, values = (torch.randn(n, G, D, generator=chance, device=device, dtype=dtype) for _ in range(2))
    index = torch.randperm(n, generator=chance, device=device)[:kept].sort().values
    shift = torch.arange(kept, device=device) - index
    inv_freq = 10000.0 ** -(torch.arange(D // 2, device=device) / (D // 2))

    def unfused() -> tuple[Tensor, Tensor]:
        return _apart(keys, values, index, shift, inv_freq)

    def check() -> None:
        moved, copied = gather_rerotate(keys, index, shift, inv_freq, values=values)
        few = slice(0, CHECKED)
        expected, _ = gather_rerotate_reference(
            keys[None], None, index[None, few], shift[None, few], inv_freq, "halves"
        )
        assert_close(moved[few], expected[0], dtype=dtype)
        assert torch.equal(copied, values[index])

    rivals: dict[str, Callable[[], object] | str] = {"torch index_select, then rotate": unfused}
    if device.type == "cuda":
        compiled = torch.compile(_apart)
        rivals["torch.compile of that"] = lambda: compiled(keys, values, index, shift, inv_freq)
    return Contest(
        ours=lambda: gather_rerotate(keys, index, shift, inv_freq, values=values),
        rivals=rivals,
        moved=2 * 2 * kept * G * D * keys.element_size() + kept * 16,
        flops=3 * kept * G * D,
        check=check,
    )


def _apart(keys: Tensor, values: Tensor, index: Tensor, shift: Tensor, inv_freq: Tensor) -> tuple[Tensor, Tensor]:
    """Each step by itself, with angles in float32, as attention layers apply rotary embeddings."""
    angle = shift[:, None].float() * inv_freq
    cos, sin = (torch.cat((part, part), 1)[:, None].to(keys.dtype) for part in (angle.cos(), angle.sin()))
    rows = keys.index_select(0, index)
    first, second = rows.chunk(2, dim=2)
    return rows * cos + torch.cat((-second, first), 2) * sin, values.index_select(0, index)
