"""Write the tables and plots in docs/kernels.md from benchmarks/results: `python benchmarks/kernels_docs.py [--check]`.

    python -m memkit_kernels.bench --device cpu  --json benchmarks/results/kernels_cpu.json
    python -m memkit_kernels.bench --device cuda --json benchmarks/results/kernels_cuda.json    # where there is a GPU

Without the second file the GPU's columns say "not measured". Needs nothing but Python.
"""

import importlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))  # also when a test runs this file by its path
kernels_plots = importlib.import_module("kernels_plots")

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "kernels.md"
IMAGES = HERE.parent / "docs" / "images" / "kernels"
BEGIN, END = "<!-- kernels: begin -->", "<!-- kernels: end -->"
KINDS = {"cpu": "On a CPU", "cuda": "On a GPU"}
RATES = ("copy bandwidth", "matrix rate")

Runs = Mapping[str, Mapping[str, Any]]


def section(runs: Runs) -> str:
    """What stands between the marks."""
    lines = [*_table(runs["cpu"], "cpu"), ""]
    if "cuda" in runs:
        lines += [*_table(runs["cuda"], "cuda"), ""]
    else:
        lines += [*_waiting(runs["cpu"]["gpu"]), ""]
    return "\n".join([*lines, *_shown(runs)])


def pictures(runs: Runs) -> dict[str, str]:
    """The plots by the names of their files: one for each operation and device with times at two sizes or more."""
    drawn: dict[str, str] = {}
    for kind, run in runs.items():
        for operation, rows in _by_operation(run["rows"]).items():
            if kernels_plots.variants(rows):
                drawn[_file(operation, kind)] = kernels_plots.plot(rows, run["machine"]["device"])
    return drawn


def read() -> dict[str, dict[str, Any]]:
    """The committed runs, by the kind of their device."""
    files = {kind: HERE / "results" / f"kernels_{kind}.json" for kind in KINDS}
    return {kind: json.loads(file.read_text(encoding="utf-8")) for kind, file in files.items() if file.exists()}


def _table(run: Mapping[str, Any], kind: str) -> Iterator[str]:
    """The largest case of each variant, beside all that ran or why it did not."""
    machine, can = run["machine"], run["ceilings"]
    packages = ", ".join(f"{name} {number}" for name, number in machine["packages"].items())
    yield f"**{KINDS[kind]}**: {machine['device']}, {machine['threads']} threads, {packages}, {machine['date']}. It copies"
    yield f"{can['copy_bytes_per_second'] / 1e9:,.3g} GB/s and multiplies {can['dtype']} matrices at"
    yield f"{can['matrix_flops_per_second'] / 1e9:,.4g} GFLOP/s. Milliseconds of a call:"
    yield ""
    yield "| operation | at | memkit | of copy bandwidth | of matrix rate | beside it, in the same run | bar |"
    yield "|---|---|---:|---:|---:|---|---|"
    for row in _largest(run["rows"]):
        if row["problem"] is not None:
            yield f"| {row['operation']} | {_at(row)} | {row['problem']} | | | | {_bar(row['bar'])} |"
            continue
        beside = [f"{name} {_ms(time)}" for name, time in row["times"].items() if name != kernels_plots.OURS]
        beside += [f"{name}: {why}" for name, why in row["absent"].items()]
        shares = f"{row['of_copy_bandwidth']:.0%} | {row['of_matrix_rate']:.0%}"
        mine = _ms(row["times"][kernels_plots.OURS])
        yield f"| {row['operation']} | {_at(row)} | **{mine}** | {shares} | {'; '.join(beside)} | {_bar(row['bar'])} |"
    for operation, why in run["left_out"].items():
        yield f"| {operation} | | not measured: {why} | | | | |"


def _waiting(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield "**On a GPU**: not measured. What has to be reached there:"
    yield ""
    yield "| operation | at | memkit | bar |"
    yield "|---|---|---|---|"
    for row in _largest([row for row in rows if row["bar"] is not None]):
        yield f"| {row['operation']} | {_at(row)} | {row['problem']} | {_bar(row['bar'])} |"


def _shown(runs: Runs) -> Iterator[str]:
    drawn = pictures(runs)
    for operation in dict.fromkeys(row["operation"] for run in runs.values() for row in run["rows"]):
        for kind in runs:
            if (name := _file(operation, kind)) in drawn:
                where = "a CPU" if kind == "cpu" else "a GPU"
                yield f"![Time of {operation} against size on {where}](images/kernels/{name})"
                yield ""


def _largest(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Of each operation's variant the row that is largest along its axis, in the order of the run."""
    found: dict[tuple[str, str], Mapping[str, Any]] = {}
    for row in rows:
        name = (row["operation"], row["variant"])
        if name not in found or row["size"][row["along"]] >= found[name]["size"][row["along"]]:
            found[name] = row
    return list(found.values())


def _by_operation(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    found: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["operation"], []).append(row)
    return found


def _file(operation: str, kind: str) -> str:
    return f"{operation}.svg" if kind == "cpu" else f"{operation}_gpu.svg"


def _at(row: Mapping[str, Any]) -> str:
    sizes = [f"{axis}={size:,}" for axis, size in row["size"].items()]
    told = [row["variant"], *(part for part in (*sizes, row["dtype"]) if part not in row["variant"])]
    return ", ".join(told)


def _bar(bar: Mapping[str, Any] | None) -> str:
    if bar is None:
        return ""
    asked = f"≥ {bar['least']:.0%} of {bar['of']}" if bar["of"] in RATES else f"≥ {bar['least']:g} × {bar['of']}"
    if bar["reached"] is None:
        return f"{asked}: not measured"
    return f"{asked}: {bar['reached']:.2f}, {'met' if bar['met'] else '**not met**'}"


def _ms(time: Mapping[str, Any]) -> str:
    value = time["median_ms"]
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def main() -> None:
    """Renew the page and the plots; with --check change nothing, and fail if something would."""
    runs = read()
    text = PAGE.read_text(encoding="utf-8")
    head, tail = text.split(BEGIN)[0], text.split(END)[1]
    new = {PAGE: f"{head}{BEGIN}\n{section(runs)}\n{END}{tail}"}
    new |= {IMAGES / name: drawn for name, drawn in pictures(runs).items()}
    stale = [path for path in IMAGES.glob("*.svg") if path not in new]
    stale += [path for path, wanted in new.items() if not path.exists() or path.read_text(encoding="utf-8") != wanted]
    if "--check" in sys.argv[1:]:
        sys.exit(f"out of date: {', '.join(path.name for path in stale)}" if stale else 0)
    IMAGES.mkdir(parents=True, exist_ok=True)
    for path in stale:
        if path in new:
            path.write_text(new[path], encoding="utf-8")
        else:
            path.unlink()


if __name__ == "__main__":
    main()
