"""The README's numbers are those of the committed results."""

import runpy
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_readme_has_the_numbers_of_the_results() -> None:
    section = runpy.run_path(str(ROOT / "benchmarks" / "readme.py"))["section"]()
    assert section in (ROOT / "README.md").read_text(encoding="utf-8")
