"""The tables and plots in docs/kernels.md are those of the committed results. Needs no library."""

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "kernels.md"
IMAGES = ROOT / "docs" / "images" / "kernels"


@pytest.fixture(scope="module")
def docs() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "benchmarks" / "kernels_docs.py"))


def run_of(*rows: dict[str, Any]) -> dict[str, Any]:
    """A run of one machine as the program writes it."""
    machine = {"device": "A chip & co", "threads": 2, "packages": {"torch": "2.13"}, "date": "2026-11-20"}
    can = {"copy_bytes_per_second": 1e10, "matrix_flops_per_second": 1e11, "dtype": "float32"}
    return {
        "machine": machine,
        "ceilings": can,
        "left_out": {"ppr": "numpy is not installed"},
        "rows": rows,
        "gpu": rows,
    }


def row_of(size: int, **other: Any) -> dict[str, Any]:
    time = {"median_ms": size / 10, "best_ms": size / 20, "rounds": 5}
    return {
        "operation": "sim_topk", "variant": "k=10", "size": {"N": size, "D": 64}, "along": "N", "dtype": "float32",
        "problem": None, "wrong": False, "floor_ms": size / 100, "times": {"memkit": time, "a < b": time},
        "absent": {"faiss": "is not installed"},
        "of_copy_bandwidth": 0.5, "of_matrix_rate": 0.25,
        "bar": {"of": "copy bandwidth", "least": 0.8, "reached": None, "met": None}, **other,
    }  # fmt: skip


def test_the_page_has_the_tables_of_the_results(docs: dict[str, Any]) -> None:
    text = PAGE.read_text(encoding="utf-8")
    between = text.split(docs["BEGIN"])[1].split(docs["END"])[0]
    assert between.strip() == docs["section"](docs["read"]()).strip(), "run benchmarks/kernels_docs.py"


def test_the_plots_are_those_of_the_results_and_no_others_are_kept(docs: dict[str, Any]) -> None:
    drawn = docs["pictures"](docs["read"]())
    assert {path.name for path in IMAGES.iterdir()} == set(drawn), "run benchmarks/kernels_docs.py"
    assert all((IMAGES / name).read_text(encoding="utf-8") == svg for name, svg in drawn.items())


def test_a_plot_carries_the_digest_of_its_rows(docs: dict[str, Any]) -> None:
    digest = docs["kernels_plots"].digest
    for kind, run in docs["read"]().items():
        for row in run["rows"]:
            rows = [other for other in run["rows"] if other["operation"] == row["operation"]]
            name = docs["_file"](row["operation"], kind)
            assert not (IMAGES / name).exists() or digest(rows) in (IMAGES / name).read_text(encoding="utf-8")


def test_the_results_have_no_wrong_row(docs: dict[str, Any]) -> None:
    for run in docs["read"]().values():
        assert [row["problem"] for row in run["rows"] if row["wrong"]] == []


def test_the_table_has_the_largest_case_and_says_what_did_not_run(docs: dict[str, Any]) -> None:
    told = docs["section"]({"cpu": run_of(row_of(1000), row_of(50))})
    assert (
        "| sim_topk | k=10, N=1,000, D=64, float32 | **100** | 50% | 25% | a < b 100; faiss: is not installed |" in told
    )
    assert "N=50" not in told
    assert "| ppr | | not measured: numpy is not installed |" in told
    assert "**On a GPU**: not measured" in told


def test_with_a_run_on_a_gpu_its_figures_and_bars_are_told(docs: dict[str, Any]) -> None:
    bar = {"of": "cuBLAS", "least": 0.7, "reached": 0.61, "met": False}
    told = docs["section"](
        {"cpu": run_of(row_of(5), row_of(9)), "cuda": run_of(row_of(5, bar=bar), row_of(9, bar=bar))}
    )
    assert "**On a GPU**: A chip & co" in told
    assert "≥ 0.7 × cuBLAS: 0.61, **not met**" in told
    assert "(images/kernels/sim_topk_gpu.svg)" in told


def test_a_row_without_a_time_says_why_and_is_not_drawn(docs: dict[str, Any]) -> None:
    run = run_of(row_of(50), row_of(1000, problem="does not fit in this device's memory", times={}))
    assert "| does not fit in this device's memory |" in docs["section"]({"cpu": run})
    assert docs["pictures"]({"cpu": run}) == {}


def test_a_plot_is_the_same_each_time_and_escapes_names(docs: dict[str, Any]) -> None:
    rows = [row_of(50), row_of(1000)]
    plot = docs["kernels_plots"].plot
    assert plot(rows, "A chip & co") == plot(json.loads(json.dumps(rows)), "A chip & co")
    assert "a &lt; b" in plot(rows, "A chip & co")
    assert plot(rows, "A chip & co") != plot(rows[::-1], "A chip & co")
    assert plot(rows, "x").count("<circle") == 4
