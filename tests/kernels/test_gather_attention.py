"""gather_attention: its definition against attention to a copy of what is named, its contract and its gradients."""

from importlib import import_module
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from memkit_kernels import gather_attention, merge_attention
from memkit_kernels.backend import BackendUnavailable, report
from memkit_kernels.testing import assert_close

INF = torch.inf
F64 = torch.float64


def normal(*shape: int, seed: int = 0, dtype: torch.dtype = F64) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=F64).to(dtype)


def listed(b: int, length: int, rows: int, *, seed: int = 0) -> Tensor:
    """Tables without repetition."""
    order = torch.Generator().manual_seed(seed)
    return torch.stack([torch.randperm(rows, generator=order)[:length] for _ in range(b)])


def by_loops(q: Tensor, k: Tensor, v: Tensor, table: Tensor, counts: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """One query and one head at a time, in differentiable steps; k is `[N, G, D]` or `[P, page, G, D]`."""
    if k.ndim == 3:
        k, v = k[:, None], v[:, None]
    (b, t, h, d), (page, g) = q.shape, k.shape[1:3]
    outs, lses = [], []
    for row in range(b):
        for i in range(t):
            for head in range(h):
                key_head = head // (h // g)
                entries = table[row] if table.ndim == 2 else table[row, key_head]
                places = [(int(entry), o) for entry in entries for o in range(page)]
                places = [place for place in places[: None if counts is None else int(counts[row])] if place[0] >= 0]
                pages, within = [place[0] for place in places], [place[1] for place in places]
                scores = k[pages, within, key_head] @ q[row, i, head] * d**-0.5
                outs.append(scores.softmax(0) @ v[pages, within, key_head])
                lses.append(scores.logsumexp(0))
    return torch.stack(outs).view(b, t, h, -1), torch.stack(lses).view(b, t, h)


def assert_same(found: tuple[Tensor, Tensor], expected: tuple[Tensor, Tensor]) -> None:
    assert_close(found[0], expected[0], dtype=F64)
    assert_close(found[1], expected[1], dtype=F64)


CASES = {  # shape of k without D, shape of the table, counts
    "tokens": ((30, 2), (3, 12), None),
    "a list for each key head": ((30, 2), (3, 2, 12), [12, 5, 0]),
    "pages": ((9, 5, 2), (3, 4), [20, 13, 1]),
    "pages for each key head": ((9, 3, 2), (3, 2, 4), [11, 0, 12]),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("most", [4096, 4], ids=["in one part", "in parts"])
def test_it_is_attention_to_what_the_table_names(name: str, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_module("memkit_kernels.gather_attention.reference"), "TOKENS_PER_BLOCK", most)
    rows, lists, counts = CASES[name]
    q, k, v = normal(3, 2, 4, 5), normal(*rows, 5, seed=1), normal(*rows, 3, seed=2)
    table = torch.randint(-1, rows[0], lists, generator=torch.Generator().manual_seed(3))
    table[0, ..., 0] = 0
    counted = None if counts is None else torch.tensor(counts)
    found = gather_attention(q, k, v, table, counts=counted)
    assert_same(found, by_loops(q, k, v, table, counted))


@pytest.mark.parametrize("rows", [1024, 2])
def test_blocks_of_queries_do_not_change_the_result(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_module("memkit_kernels.gather_attention.reference"), "ROWS_PER_BLOCK", rows)
    q, k, v, table = normal(2, 7, 4, 5), normal(20, 2, 5, seed=1), normal(20, 2, 3, seed=2), listed(2, 9, 20)
    assert_same(gather_attention(q, k, v, table), by_loops(q, k, v, table))


@pytest.mark.parametrize("page", [1, 4, 5])
def test_all_pages_are_full_attention(page: int) -> None:
    q, k, v = normal(2, 3, 4, 8), normal(20, 2, 8, seed=1), normal(20, 2, 6, seed=2)
    table = torch.arange(20 // page, dtype=torch.int32).expand(2, -1)
    out, _ = gather_attention(q, k.unflatten(0, (-1, page)), v.unflatten(0, (-1, page)), table)
    keys, values = (x.transpose(0, 1).expand(2, -1, -1, -1) for x in (k, v))
    full = torch.nn.functional.scaled_dot_product_attention(q.transpose(1, 2), keys, values, enable_gqa=True)
    assert_close(out, full.transpose(1, 2), dtype=F64)


def test_the_order_of_the_table_does_not_matter() -> None:
    q, k, v, table = normal(2, 3, 4, 5), normal(30, 2, 5, seed=1), normal(30, 2, 3, seed=2), listed(2, 11, 30)
    assert_same(gather_attention(q, k, v, table.flip(1)), gather_attention(q, k, v, table))


def test_a_key_that_is_named_twice_counts_twice() -> None:
    k = torch.tensor([[[0.0]], [[0.0]]])
    v = torch.tensor([[[0.0]], [[3.0]]])
    out, lse = gather_attention(torch.ones(1, 1, 1, 1), k, v, torch.tensor([[0, 1, 1]]))
    assert out.item() == 2.0
    assert lse.item() == pytest.approx(torch.tensor(3.0).log().item())


def test_parts_of_a_table_merge_into_the_whole() -> None:
    q, k, v, table = normal(2, 3, 4, 5), normal(30, 2, 5, seed=1), normal(30, 2, 3, seed=2), listed(2, 12, 30)
    cuts = [0, 5, 5, 6, 12]
    parts = [gather_attention(q, k, v, table[:, a:b]) for a, b in pairwise(cuts)]
    assert parts[1][1].eq(-INF).all()
    assert_same(merge_attention(*zip(*parts, strict=True)), gather_attention(q, k, v, table))


@pytest.mark.parametrize(
    ("table", "counts"), [([[]], None), ([[-1, -7]], None), ([[0, 1]], [0])], ids=["no entry", "holes", "none counted"]
)
def test_who_sees_nothing_gets_zero_and_minus_infinity(table: list[list[int]], counts: list[int] | None) -> None:
    named = torch.tensor(table, dtype=torch.int64)
    counted = None if counts is None else torch.tensor(counts)
    out, lse = gather_attention(torch.ones(1, 2, 2, 3), torch.ones(2, 1, 3), torch.ones(2, 1, 4), named, counts=counted)
    assert out.tolist() == torch.zeros(1, 2, 2, 4).tolist()
    assert lse.eq(-INF).all()


@pytest.mark.parametrize(("b", "t", "n", "length"), [(0, 2, 3, 4), (2, 0, 3, 4), (2, 2, 0, 4), (1, 1, 3, 0)])
def test_nothing_to_do_is_an_ordinary_case(b: int, t: int, n: int, length: int) -> None:
    table = torch.zeros(b, length, dtype=torch.int64) if n else torch.full((b, length), -1)
    q, k = normal(b, t, 4, 5).requires_grad_(), normal(n, 2, 5).requires_grad_()
    out, lse = gather_attention(q, k, normal(n, 2, 3), table)
    assert out.shape == (b, t, 4, 3)
    assert lse.shape == (b, t, 4)
    out.sum().backward()
    assert q.grad.shape == q.shape
    assert k.grad.shape == k.shape


def test_what_is_not_named_changes_nothing_and_what_is_named_spoils_its_head_alone() -> None:
    q, k, v = normal(1, 2, 4, 5), normal(10, 2, 5, seed=1), normal(10, 2, 3, seed=2)
    table, counts = torch.tensor([[1, -1, 2, 7]]), torch.tensor([3])
    plain = gather_attention(q, k, v, table, counts=counts)
    k[[0, 3, 7]] = v[[0, 3, 7]] = torch.nan
    assert_same(gather_attention(q, k, v, table, counts=counts), plain)
    k[2, 1] = torch.nan
    out, lse = gather_attention(q, k, v, table, counts=counts)
    assert_close(out[:, :, :2], plain[0][:, :, :2], dtype=F64)
    assert out[:, :, 2:].isnan().all()
    assert lse[:, :, 2:].isnan().all()


def test_a_score_of_infinity_gives_nan_and_of_minus_infinity_nothing() -> None:
    k, v = torch.tensor([[[INF]], [[0.0]]]), torch.tensor([[[5.0]], [[7.0]]])
    q = torch.tensor([1.0, -1.0]).view(1, 2, 1, 1)
    out, lse = gather_attention(q, k, v, torch.tensor([[0, 1]]))
    assert out[0, 0].isnan().all()
    assert lse[0, 0].isnan().all()
    assert out[0, 1].item() == 7.0
    assert lse[0, 1].item() == 0.0


def test_any_strides_are_read() -> None:
    q, k = normal(4, 2, 3, 5).permute(2, 1, 0, 3), normal(2, 5, 20).permute(2, 0, 1)
    v = normal(40, 4, 6, seed=2)[::2, 1:3, ::2]
    table = listed(12, 3, 20).T
    expected = by_loops(q.contiguous(), k.contiguous(), v, table.contiguous())
    assert_same(gather_attention(q, k, v, table), expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, F64], ids=str)
def test_results_have_the_dtype_of_the_queries_and_the_lse_is_wide(dtype: torch.dtype) -> None:
    q, k, v = (normal(*shape, dtype=dtype) for shape in ((1, 2, 4, 16), (30, 2, 16), (30, 2, 8)))
    table = listed(1, 20, 30)
    out, lse = gather_attention(q, k, v, table)
    expected = gather_attention(q.double(), k.double(), v.double(), table)
    assert out.dtype == dtype
    assert lse.dtype == (F64 if dtype == F64 else torch.float32)
    assert_close(out, expected[0], dtype=dtype)
    assert_close(lse, expected[1], dtype=lse.dtype)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("most", [4096, 4], ids=["in one part", "in parts"])
def test_gradients_are_those_of_the_loops(name: str, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    module = import_module("memkit_kernels.gather_attention.gradient")
    monkeypatch.setattr(module, "TOKENS_PER_BLOCK", most)
    monkeypatch.setattr(module, "ROWS_PER_BLOCK", most)
    rows, lists, counts = CASES[name]
    q, k, v = normal(3, 3, 4, 5), normal(*rows, 5, seed=1), normal(*rows, 3, seed=2)
    table = torch.randint(-1, rows[0], lists, generator=torch.Generator().manual_seed(3))
    table[:, ..., 0] = table[:, ..., 1] = 0  # twice
    counted = None if counts is None else torch.tensor(counts).clamp_min(1)
    wanted = normal(3, 3, 4, 3, seed=4), normal(3, 3, 4, seed=5)
    leaves = [x.requires_grad_() for x in (q, k, v)]
    found = torch.autograd.grad(gather_attention(*leaves, table, counts=counted), leaves, wanted)
    expected = torch.autograd.grad(by_loops(*leaves, table, counted), leaves, wanted)
    for mine, theirs in zip(found, expected, strict=True):
        assert_close(mine, theirs, dtype=F64)


def test_gradients_pass_gradcheck_with_holes_and_unseen_rows() -> None:
    leaves = [x.requires_grad_() for x in (normal(2, 1, 2, 3), normal(5, 1, 3, seed=1), normal(5, 1, 2, seed=2))]
    table, counts = torch.tensor([[3, -1, 1, 3], [0, 1, 2, 3]]), torch.tensor([4, 1])
    assert torch.autograd.gradcheck(lambda *x: gather_attention(*x, table, counts=counts, scale=0.7), leaves)
    out, _ = gather_attention(*leaves, table, counts=torch.tensor([0, 0]))
    assert all(grad.eq(0).all() for grad in torch.autograd.grad(out.sum(), leaves))


def test_the_backend_that_ran_is_reported() -> None:
    x, table = torch.ones(1, 1, 1, dtype=F64), torch.tensor([[0]])
    with report() as ran:
        gather_attention(x[None], x, x, table)
    assert [(call.operation, call.backend) for call in ran] == [("gather_attention", "torch")]
    with pytest.raises(BackendUnavailable, match="float64"):
        gather_attention(x[None], x, x, table, backend="triton")


Q, K, V, TABLE = torch.ones(2, 1, 4, 8), torch.ones(6, 2, 8), torch.ones(6, 2, 5), torch.zeros(2, 3, dtype=torch.int64)
WRONG: dict[str, tuple[dict[str, object], str]] = {
    "queries of three axes": ({"q": Q[0]}, "q must be"),
    "features that differ": ({"q": Q[..., :7]}, "q must be"),
    "too many features": ({"q": torch.ones(2, 1, 4, 257), "k": torch.ones(6, 2, 257)}, "1 to 256"),
    "values of other rows": ({"v": V[:5]}, "v must be"),
    "values in pages": ({"v": V[None]}, "v must be"),
    "heads that do not divide": ({"q": Q[:, :, :3]}, "multiple of G"),
    "no key heads": ({"k": K[:, :0], "v": V[:, :0]}, "multiple of G"),
    "empty pages": ({"k": K[:, None][:, :0], "v": V[:, None][:, :0]}, "at least 1 token"),
    "another dtype": ({"v": V.half()}, "share one dtype"),
    "integers": ({"q": Q.int(), "k": K.int(), "v": V.int()}, "share one dtype"),
    "another device": ({"v": V.to("meta")}, "one device"),
    "a float table": ({"table": TABLE.float()}, "table must be int32 or int64"),
    "a table of another batch": ({"table": TABLE[:1]}, "table must be int32 or int64"),
    "a table of other heads": ({"table": TABLE[:, None].expand(2, 4, 3)}, "table must be int32 or int64"),
    "an entry outside": ({"table": TABLE + 6}, "table must be below 6"),
    "counts of another batch": ({"counts": torch.tensor([1])}, "counts must be int32 or int64"),
    "float counts": ({"counts": torch.tensor([1.0, 1.0])}, "counts must be int32 or int64"),
    "a negative count": ({"counts": torch.tensor([-1, 1])}, "counts must be 0 to 3"),
    "a count beyond the list": ({"counts": torch.tensor([4, 1])}, "counts must be 0 to 3"),
    "a scale that is no number": ({"scale": torch.nan}, "scale must be finite"),
    "an unknown backend": ({"backend": "cuda"}, "backend must be one of"),
}


@pytest.mark.parametrize("name", WRONG)
def test_bad_input_is_refused_and_named(name: str) -> None:
    changed, said = WRONG[name]
    asked = {"q": Q, "k": K, "v": V, "table": TABLE} | changed
    with pytest.raises(ValueError, match=said):
        gather_attention(**asked)


def test_an_entry_outside_beyond_the_count_is_not_looked_at() -> None:
    table = torch.tensor([[0, 1, 99], [2, -1, -1]])
    assert_same(
        gather_attention(Q, K, V, table, counts=torch.tensor([2, 3])),
        gather_attention(Q, K, V, torch.tensor([[0, 1, -1], [2, -1, -1]])),
    )
