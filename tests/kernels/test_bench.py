"""The benchmark program: what it does with a wrong result, a rival that fails, a bar, and a run that is cut short."""

import json
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from memkit_kernels import OPERATIONS
from memkit_kernels.bench.__main__ import main
from memkit_kernels.bench.cases import Bar, Case, Contest, absent, lazily
from memkit_kernels.bench.ceilings import Ceilings
from memkit_kernels.bench.clock import Patience, race, said
from memkit_kernels.bench.machine import machine
from memkit_kernels.bench.row import OURS, Row, measured, named
from memkit_kernels.bench.run import NOT_MEASURED, Found, Run, found, run, written
from memkit_kernels.bench.table import bars, block, heading
from memkit_kernels.reporting import tell

CPU = torch.device("cpu")
HASTE = Patience(seconds=0.0, least=2, most=4)
CAN = Ceilings(copy_bytes_per_second=1e9, matrix_flops_per_second=1e12, dtype="float32")
X = torch.ones(4, 4)


def nothing() -> None:
    pass


def search() -> object:
    """What stands for an operation."""
    tell("sim_topk", "torch", "asked for")
    return (X @ X).topk(1)


def case(
    ours: Callable[[], object] = search,
    rivals: Mapping[str, Callable[[], object] | str] | None = None,
    check: Callable[[], None] = nothing,
    bar: Bar | None = None,
    rows: int = 4,
) -> Case:
    """A case of sim_topk that moves 1000 bytes."""
    contest = Contest(ours=ours, rivals=rivals or {}, moved=1000, flops=64, check=check)
    return Case(
        operation="sim_topk", variant="k=1", size={"N": rows, "D": 4}, along="N", dtype=torch.float32,
        prepare=lambda device: contest, bar=bar,
    )  # fmt: skip


def fail(error: BaseException) -> None:
    raise error


def row_of(asked: Case) -> Row:
    return measured(asked, CPU, CAN, HASTE)


def test_a_case_has_times_for_all_who_ran_and_the_backend_of_ours() -> None:
    row = row_of(case(rivals={"matmul": lambda: X @ X}))
    assert (row.problem, set(row.times)) == (None, {OURS, "matmul"})
    assert row.ran == "torch"
    assert all(0 < time.best_ms <= time.median_ms for time in row.times.values())


def test_a_wrong_result_is_told_as_wrong_and_has_no_time() -> None:
    row = row_of(case(check=lambda: fail(AssertionError("error 1e-1 of the RMS"))))
    assert (row.problem, row.wrong, dict(row.times)) == ("wrong result: error 1e-1 of the RMS", True, {})
    assert "wrong result" in block(row, CAN)
    assert " ms" not in block(row, CAN)


def test_an_operation_that_raises_is_told_and_counts_as_wrong() -> None:
    row = row_of(case(ours=lambda: fail(ValueError("bad shape"))))
    assert (row.problem, row.wrong) == ("failed: ValueError: bad shape", True)


def test_a_case_that_does_not_fit_is_told_and_is_not_wrong() -> None:
    row = row_of(case(ours=lambda: fail(torch.OutOfMemoryError("tried to allocate"))))
    assert (row.problem, row.wrong) == ("does not fit in this device's memory", False)


def test_a_rival_that_fails_is_a_text_and_the_others_are_timed() -> None:
    rivals = {
        "hungry": lambda: fail(MemoryError()),
        "broken": lambda: fail(RuntimeError("no kernel for /usr/lib/x.so")),
        "stranger": absent("faiss", "pip install faiss-cpu"),
        "good": lambda: X @ X,
    }
    row = row_of(case(rivals=rivals))
    assert set(row.times) == {OURS, "good"}
    assert row.absent == {
        "hungry": "out of memory",
        "broken": "RuntimeError: no kernel for …",
        "stranger": "faiss is not installed; pip install faiss-cpu",
    }


def test_a_rival_that_cannot_get_ready_is_a_text_and_one_that_can_does_so_once() -> None:
    made: list[int] = []

    def broken() -> Callable[[], object]:
        raise ImportError("libcuvs.so is missing")

    def ready() -> Callable[[], object]:
        made.append(1)
        return lambda: X @ X

    row = row_of(case(rivals={"broken": lazily(broken), "matmul": lazily(ready)}))
    assert row.absent == {"broken": "ImportError: libcuvs.so is missing"}
    assert (set(row.times), len(made)) == ({OURS, "matmul"}, 1)


def test_a_rival_may_fail_after_it_was_timed_once() -> None:
    calls = iter([None] * 3)
    done = race({"good": nothing, "late": lambda: next(calls)}, CPU, HASTE)
    assert set(done.times) == {"good"}
    assert done.failed == {"late": "StopIteration"}


def test_contestants_take_turns_and_a_fast_one_has_more_of_them() -> None:
    calls: list[str] = []
    ticks: Iterator[float] = iter(range(1000))
    patience = Patience(seconds=3.0, least=1, most=6)

    def wait(name: str) -> Callable[[], object]:
        return lambda: calls.append(name) or [next(ticks) for _ in range(2)]

    race({"a": wait("a"), "b": wait("b")}, CPU, patience)
    timed = calls[4:]  # each is called twice before
    assert timed == ["a", "b"] * 6
    assert [patience.rounds(seconds) for seconds in (0.1, 1.0, 9.0)] == [6, 3, 1]


@pytest.mark.parametrize(("least", "met"), [(1e-12, True), (1e12, False)])
@pytest.mark.parametrize("of", ["copy bandwidth", "matrix rate", "matmul"])
def test_a_bar_is_met_or_not(of: str, least: float, met: bool) -> None:
    row = row_of(case(rivals={"matmul": lambda: X @ X}, bar=Bar(of=of, least=least)))
    assert row.bar is not None
    assert row.bar.met is met
    assert ("NOT met" in block(row, CAN)) is not met


def test_a_bar_against_a_rival_that_is_not_there_is_neither_met_nor_missed() -> None:
    row = row_of(case(rivals={"cuVS": absent("cuvs")}, bar=Bar(of="cuVS", least=1.0)))
    assert row.bar is not None
    assert (row.bar.met, row.bar.reached) == (None, None)
    assert "1 × cuVS: not measured" in block(row, CAN)


def test_shares_are_of_the_ceilings_and_the_floor_is_the_larger_of_both() -> None:
    row = row_of(case())
    seconds = row.times[OURS].median_ms / 1e3
    assert row.of_copy_bandwidth == pytest.approx(1000 / 1e9 / seconds, rel=1e-3)
    assert row.of_matrix_rate == pytest.approx(64 / 1e12 / seconds, rel=1e-3)
    assert row.floor_ms == 1e-3
    assert CAN.floor_seconds(0, 10**12) == 1.0


def test_an_error_is_told_without_places_on_the_disk() -> None:
    assert said(OSError("cannot open '/home/ana/x.bin': gone")) == "OSError: cannot open '…': gone"
    assert said(ModuleNotFoundError("No module named 'faiss.swig'", name="faiss.swig")) == "faiss is not installed"
    assert len(said(ValueError("long " * 100))) <= 160


def test_a_run_is_whole_json_after_every_case(tmp_path: Path) -> None:
    file, seen = tmp_path / "out.json", []

    def each(done: Run) -> None:
        written(done, file)
        seen.append(len(json.loads(file.read_text())["rows"]))
        if len(seen) == 3:
            raise KeyboardInterrupt

    asked = Found(cases=[case(), case(check=lambda: fail(AssertionError("x"))), case()], left_out={}, broken=False)
    with pytest.raises(KeyboardInterrupt):
        run(asked, CPU, CAN, HASTE, gpu=[case()], each=each)
    kept = json.loads(file.read_text())
    assert seen == [0, 1, 2]
    assert [row["problem"] for row in kept["rows"]] == [None, "wrong result: x"]
    assert kept["gpu"][0]["problem"] == NOT_MEASURED
    assert list(tmp_path.iterdir()) == [file]


def test_what_a_run_says_has_the_machine_the_bars_and_what_only_a_gpu_can_tell() -> None:
    asked = row_of(case(bar=Bar(of="copy bandwidth", least=0.8)))
    waiting = replace(asked, times={}, problem=NOT_MEASURED, bar=replace(asked.bar, reached=None, met=None))
    done = Run(
        machine=machine(CPU), ceilings=CAN, left_out={"ppr": "numpy is not installed"}, rows=(asked,), gpu=(waiting,)
    )
    assert "a GPU's figures are not measured" in heading(done)
    assert "ppr: numpy is not installed" in heading(done)
    assert bars(done).count("80% of copy bandwidth") == 2
    assert bars(done).endswith("not measured")


def test_the_machine_is_named_without_its_name_in_the_network() -> None:
    about = machine(CPU)
    assert about["kind"] == "cpu"
    assert socket.gethostname() not in json.dumps(about)


def test_a_missing_gpu_is_said_and_no_other_device_taken(capsys: pytest.CaptureFixture[str]) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is one")
    assert main(["--device", "cuda"]) == 1
    assert "needs a GPU" in capsys.readouterr().err


def test_an_unknown_operation_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--only", "nothing"])
    assert "invalid choice: 'nothing'" in capsys.readouterr().err


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf", "long"])
def test_a_time_to_measure_that_is_none_is_refused(seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--seconds", seconds])
    assert f"must be more than 0, not '{seconds}'" in capsys.readouterr().err


@pytest.mark.parametrize("place", ["", "missing/out.json"])
def test_a_file_that_cannot_be_written_is_refused_before_anything_is_measured(
    place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--json", str(tmp_path / place)])
    assert "is no file in a folder that is there" in capsys.readouterr().err


def test_an_operation_named_twice_is_measured_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--device", "cpu", "--list", "--quick", "--only", "merge_attention", "merge_attention"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(set(lines)) > 0


def test_a_size_that_the_variant_names_is_not_named_again() -> None:
    size = {"T": 2048, "H": 8, "D": 384}
    one = replace(case(), variant="causal, H=8, D = 384", size=size, along="T")
    assert named(one).endswith(", causal, H=8, D = 384, T=2,048")


@pytest.mark.parametrize("kind", ["cpu", "cuda"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_operation_has_cases_along_one_axis(operation: str, kind: str) -> None:
    """Naming the cases of a GPU needs none: tensors are made when a case is prepared."""
    asked = found([operation], kind, quick=False)
    if asked.left_out.get(operation) == "numpy is not installed":
        pytest.skip("ppr needs numpy")
    assert asked.left_out == {}
    along: dict[str, list[int]] = {}
    for one in asked.cases:
        assert one.operation == operation
        assert one.along in one.size
        along.setdefault(one.variant, []).append(one.size[one.along])
    assert any(len(set(sizes)) >= 3 for sizes in along.values()), f"a plot needs sizes: {along}"
    assert all(len(set(sizes)) == len(sizes) for sizes in along.values())


def test_quick_takes_the_smallest_case_of_each_variant() -> None:
    asked = found(["sim_topk"], "cpu", quick=True)
    everything = found(["sim_topk"], "cpu", quick=False)
    assert {one.variant for one in asked.cases} == {one.variant for one in everything.cases}
    assert len(asked.cases) == len({one.variant for one in asked.cases})


def test_the_program_runs_an_operation_and_writes_what_it_saw(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "out.json"
    assert main(["--device", "cpu", "--quick", "--only", "merge_attention", "--json", str(file)]) == 0
    kept = json.loads(file.read_text())
    assert {row["operation"] for row in kept["rows"]} == {"merge_attention"}
    assert all(row["times"][OURS]["median_ms"] > 0 for row in kept["rows"])
    assert all(row["problem"] == NOT_MEASURED for row in kept["gpu"])
    assert kept["ceilings"]["copy_bytes_per_second"] > 0
    assert "merge_attention" in capsys.readouterr().out
