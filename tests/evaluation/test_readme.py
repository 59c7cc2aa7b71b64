"""The numbers in README and docs are those of the committed results."""

import json
import runpy
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_readme_has_the_numbers_of_the_results() -> None:
    section = runpy.run_path(str(ROOT / "benchmarks" / "readme.py"))["section"]()
    assert section in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_page_of_hipporag_has_the_numbers_of_the_results() -> None:
    section = runpy.run_path(str(ROOT / "benchmarks" / "multihop_table.py"))["section"]
    result = json.loads((ROOT / "benchmarks" / "results" / "multihop.json").read_text(encoding="utf-8"))
    assert section(result) in (ROOT / "docs" / "components" / "hipporag.md").read_text(encoding="utf-8")
