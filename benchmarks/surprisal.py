"""Bits a character: how well the token models guess a book's second half after its first, and how fast they read.

    python benchmarks/surprisal.py DATA [--model FOLDER] [--steps N] [--json OUT]

DATA holds books/*.txt. Beside the adaptive model, which starts from nothing with each book, stand xz and bzip2: the
size of the whole book less that of the first half, which is what the second half costs whoever has the first. The
causal model is the one in FOLDER; without one, a small one is trained here on the other books, for one book only
(`--book`), and it is told what it is: it shows that the adapter works, and nothing about causal models that were
trained on more than three books.
"""

from __future__ import annotations

import argparse
import bz2
import json
import lzma
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from memkit.evaluation.machine import machine
from memkit.models.adaptive import AdaptiveScorer
from memkit.ports import TokenScorer

ROUNDS = 5
BOOK = "alice_in_wonderland"
VOCABULARY, WIDTH, LAYERS, HEADS, CONTEXT = 1024, 128, 2, 4, 128
BATCH, RATE, SEED = 16, 1e-3, 0


def halves(text: str) -> tuple[str, str]:
    return text[: len(text) // 2], text[len(text) // 2 :]


def read(scorer: TokenScorer, text: str) -> dict[str, float]:
    """Bits a character of the first half, with nothing read before, and of the second half after it."""
    reading = scorer.start()
    return {
        name: round(float(reading.read(half).bits.sum(dtype="float64")) / len(half), 4)
        for name, half in zip(("first", "second"), halves(text), strict=True)
    }


def packed(pack: Callable[[bytes], bytes], text: str) -> float:
    """Bits a character of the second half for whoever has the first."""
    first, second = halves(text)
    return round(8 * (len(pack(text.encode())) - len(pack(first.encode()))) / len(second), 4)


def speed(scorer: TokenScorer, text: str, rounds: int) -> dict[str, float]:
    """Characters a second of a whole text, from nothing: by the clock and by the CPU time of all threads."""
    wall, cpu = [], []
    for _ in range(rounds):
        reading = scorer.start()
        clock, used = time.perf_counter(), time.process_time()
        reading.read(text)
        wall.append(len(text) / (time.perf_counter() - clock))
        cpu.append(len(text) / (time.process_time() - used))
    return {
        "wall_median": round(median(wall)),
        "wall_best": round(max(wall)),
        "cpu_median": round(median(cpu)),
        "rounds": rounds,
        "characters": len(text),
    }


def trained(texts: Sequence[str], steps: int, folder: Path) -> dict[str, object]:
    """A small causal model in the folder, trained on the texts, and what it is."""
    import torch  # the rest of this file needs no extra
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    torch.set_num_threads(1)  # the same sums in the same order wherever it runs; the model is small
    torch.manual_seed(SEED)
    pieces = Tokenizer(models.BPE())
    pieces.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    pieces.decoder = decoders.ByteLevel()
    end = "<|endoftext|>"
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=[end], initial_alphabet=alphabet, show_progress=False
    )
    pieces.train_from_iterator(texts, trainer)
    stream = torch.tensor([token for text in texts for token in [0, *pieces.encode(text).ids]])
    config = GPT2Config(
        vocab_size=VOCABULARY,
        n_positions=CONTEXT,
        n_embd=WIDTH,
        n_layer=LAYERS,
        n_head=HEADS,
        bos_token_id=0,
        eos_token_id=0,
    )
    model = GPT2LMHeadModel(config).train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps, pct_start=0.1)
    chance = torch.Generator().manual_seed(SEED)
    started = time.perf_counter()
    for _ in range(steps):
        starts = torch.randint(len(stream) - CONTEXT, (BATCH,), generator=chance)
        part = torch.stack([stream[start : start + CONTEXT] for start in starts.tolist()])
        loss = model(input_ids=part, labels=part).loss
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
    model.save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=pieces, bos_token=end, eos_token=end).save_pretrained(folder)
    return {
        "what": f"GPT-2 with {LAYERS} layers of width {WIDTH}, byte-level BPE of {VOCABULARY}, trained here from nothing",
        "parameters": sum(weight.numel() for weight in model.parameters()),
        "trained_on_characters": sum(map(len, texts)),
        "steps": steps,
        "tokens_a_step": BATCH * CONTEXT,
        "minutes": round((time.perf_counter() - started) / 60, 1),
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("data", type=Path)
    options.add_argument("--model", type=Path, help="the folder of a causal model")
    options.add_argument("--steps", type=int, default=600, help="of training, without --model; 0: no causal model")
    options.add_argument("--book", default=BOOK, help="what the trained model is measured on, and not trained on")
    options.add_argument("--json", type=Path)
    given = options.parse_args()
    texts = {file.stem: file.read_text(encoding="utf-8") for file in sorted((given.data / "books").glob("*.txt"))}
    adaptive = AdaptiveScorer()
    report: dict[str, object] = {
        "machine": machine(),
        "speed": {"adaptive": speed(adaptive, texts[given.book], ROUNDS)},
        "bits a character": {
            name: {
                "characters": len(text),
                "adaptive": read(adaptive, text),
                "xz": {"second": packed(lambda data: lzma.compress(data, preset=9 | lzma.PRESET_EXTREME), text)},
                "bzip2": {"second": packed(bz2.compress, text)},
            }
            for name, text in texts.items()
        },
    }
    with tempfile.TemporaryDirectory() as folder:
        if given.model is not None or given.steps:
            report["causal"] = causal(given.model, given.steps, given.book, texts, Path(folder))
    print(json.dumps(report, indent=1))
    if given.json:
        given.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def causal(folder: Path | None, steps: int, book: str, texts: dict[str, str], made: Path) -> dict[str, object]:
    """The same of a causal model: of the one that is given for all books, of the one that is trained here for one."""
    from memkit.models.causal import CausalScorer

    told: dict[str, object] = {}
    if folder is None:
        told = trained([text for name, text in texts.items() if name != book], steps, made)
    scorer = CausalScorer(folder or made)
    measured = texts if folder is not None else {book: texts[book]}
    return {
        "name": scorer.name,
        **told,
        "bits a character": {name: read(scorer, text) for name, text in measured.items()},
        "speed": speed(scorer, texts[book][:20_000], 3),
    }


if __name__ == "__main__":
    main()
