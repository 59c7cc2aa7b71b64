"""Results become tables that can be quoted."""

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "table.py"


def test_rows_with_the_same_columns_share_a_table(tmp_path: Path) -> None:
    cost = {"p50_ms": 0.04567, "p95_ms": 1.5}
    result = {
        "machine": {"processor": "abacus", "cores": 2},
        "settings": {"k": 10},
        "results": {"1000": {"dense": cost, "words": {"p50_ms": 12345.6, "p95_ms": 2.0}}, "share": {"recall@10": 1.0}},
    }
    file = tmp_path / "recall.json"
    file.write_text(json.dumps(result))
    done = subprocess.run([sys.executable, SCRIPT, file], capture_output=True, text=True, check=True)
    assert done.stdout == (
        "## recall\n\n"
        "|  | p50_ms | p95_ms |\n"
        "|---|---:|---:|\n"
        "| results / 1000 / dense | 0.0457 | 1.500 |\n"
        "| results / 1000 / words | 12,346 | 2.000 |\n\n"
        "|  | recall@10 |\n"
        "|---|---:|\n"
        "| results / share | 1.000 |\n\n"
        "Settings: k 10.\n\n"
        "Machine: processor abacus, cores 2.\n\n"
    )
