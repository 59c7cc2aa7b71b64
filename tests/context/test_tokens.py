"""The estimate of tokens errs on the side of too many."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memkit.context import estimate

ENGLISH = """I moved to Lisbon in May, since the rent in Berlin had doubled within two years. My sister helped me with
the boxes; she's a nurse at the children's hospital and could only come for the weekend. We drove 2,800 kilometres."""
CHINESE = """我今年五月搬到了里斯本，因为这里的天气很好，生活也比较便宜。我的姐姐在医院工作，她周末有时间，就过来
帮我收拾东西。我们一起去了海边，吃了很多新鲜的鱼。明年我想学习葡萄牙语，然后找一份新的工作。"""
CODE = '''def mean(values: list[float]) -> float:
    """The arithmetic mean; 0.0 for nothing."""
    total = sum(value for value in values if value is not None)
    return total / len(values) if values else 0.0
'''

# Counted once by tiktoken 0.14: cl100k_base and o200k_base.
REAL = {ENGLISH: (52, 50), CHINESE: (121, 70), CODE: (53, 54)}


def test_an_empty_text_has_no_tokens() -> None:
    assert estimate("") == 0


@pytest.mark.parametrize("text", [ENGLISH, CHINESE, CODE], ids=["English", "Chinese", "code"])
def test_the_estimate_is_at_most_a_few_percent_below_the_tokenizers_of_gpt_4_and_4o(text: str) -> None:
    assert max(REAL[text]) * 0.97 <= estimate(text) <= max(REAL[text]) * 1.5


@pytest.mark.parametrize("text", [ENGLISH, CHINESE, CODE], ids=["English", "Chinese", "code"])
def test_the_estimate_is_at_most_a_few_percent_below_wordpiece(text: str, minilm_folder: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    wordpiece = tokenizers.Tokenizer.from_file(str(minilm_folder / "tokenizer.json"))
    wordpiece.no_truncation()
    wordpiece.no_padding()
    assert estimate(text) >= 0.97 * len(wordpiece.encode(text, add_special_tokens=False).ids)


@given(first=st.text(), second=st.text())
def test_lines_together_have_no_more_tokens_than_apart(first: str, second: str) -> None:
    assert estimate(f"{first}\n{second}") <= estimate(f"{first}\n") + estimate(second)
