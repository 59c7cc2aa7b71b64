"""The pytest plugin, in runs of pytest of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from memkit.testing.plugin import file_name

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[2]
PLUGIN = "memkit.testing.plugin"


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs pytest with this plugin alone, in a process of its own."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    return lambda *options: pytester.runpytest_subprocess("-p", PLUGIN, *options, timeout=60)


def test_the_fixtures_assert_and_explain(pytester: pytest.Pytester, run: Any) -> None:
    pytester.makepyfile("""
        import asyncio
        import memkit

        def test_found(assert_recalls):
            memory = memkit.open(":memory:")
            memory.add("Ana moved to Lisbon.")
            assert_recalls(memory, "Who moved?", "lisbon")

        def test_missing(assert_recalls):
            memory = memkit.open(":memory:")
            memory.add("Ana moved to Lisbon.")
            assert_recalls(memory, "Who moved?", "Porto")

        def test_awaited(assert_recalls_async):
            async def use():
                async with await memkit.open_async(":memory:") as memory:
                    await memory.add("Ana moved to Lisbon.")
                    await assert_recalls_async(memory, "Who moved?", "lisbon")
                    await assert_recalls_async(memory, "Who moved?", "Madrid")
            asyncio.run(use())
        """)
    ended = run()
    ended.assert_outcomes(passed=1, failed=2)
    ended.stdout.fnmatch_lines(
        [
            ">*assert_recalls(memory, *Who moved?*, *Porto*)",  # the line of the test, not one of memkit's
            "E*AssertionError: 'Porto' is not in the first 5 hits of 'Who moved?'.",
            "E*It is nowhere in the journal of this namespace.",
            "E*1 hit for *",
            "E*AssertionError: 'Madrid' is not in the first 5 hits*",
        ]
    )
    ended.stdout.no_fnmatch_line("*_whereabouts*")


TALKING = """
    import asyncio
    import os
    from memkit.messages import Message, Request
    from memkit.testing.embedders import HashEmbedder
    from memkit.testing.scripted import ScriptedModel

    def ask(cassette, text):
        recorded = cassette.mode != "replay"
        model = ScriptedModel(lambda request: request.messages[0].content.upper()) if recorded else None
        chat = cassette.chat(model)
        embedder = cassette.embedder(HashEmbedder(4) if recorded else None)
        async def both():
            await embedder.embed([text], query=False)
            return await chat.complete(Request(messages=(Message(role="user", content=text),)))
        return asyncio.run(both()).text

    def test_one(cassette):
        assert ask(cassette, os.environ.get("SAID", "ana")) == os.environ.get("SAID", "ana").upper()

    class TestMore:
        def test_one(self, cassette):
            assert ask(cassette, "ben") == "BEN"
    """


def test_a_cassette_is_recorded_beside_the_test_and_replayed(
    pytester: pytest.Pytester, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = pytester.makepyfile(test_talking=TALKING)
    missing = run()
    missing.assert_outcomes(errors=2)
    missing.stdout.fnmatch_lines(["E*there is no cassette *test_one.jsonl; record one: *--memkit-record=record*"])
    run("--memkit-record=record").assert_outcomes(passed=2)
    made = sorted(path.relative_to(file.parent).as_posix() for path in file.parent.rglob("*.jsonl*"))
    assert made == ["cassettes/test_talking/TestMore.test_one.jsonl", "cassettes/test_talking/test_one.jsonl"]
    held = {path: (file.parent / path).read_bytes() for path in made}
    run().assert_outcomes(passed=2)
    monkeypatch.setenv("SAID", "anna")
    other = run()
    other.assert_outcomes(passed=1, failed=1)
    other.stdout.fnmatch_lines(["E*-*ana", "E*+*anna"])
    assert {path: (file.parent / path).read_bytes() for path in made} == held
    run("--memkit-record=extend").assert_outcomes(passed=2)
    run().assert_outcomes(passed=2)
    lines = (file.parent / made[1]).read_text().splitlines()
    assert [json.loads(line)["kind"] for line in lines[1:]] == [
        "model",
        "space",
        *("chat", "chat"),
        *("embedding", "embedding"),
    ]


def test_a_test_that_hides_a_missing_call_fails(pytester: pytest.Pytester, run: Any) -> None:
    pytester.makepyfile(
        TALKING
        + """
    from memkit.errors import MemkitError

    def test_hidden(cassette):
        try:
            ask(cassette, "zoe" if cassette.mode == "replay" else "ana")
        except MemkitError:
            pass
    """
    )
    run("-k", "hidden", "--memkit-record=record").assert_outcomes(passed=1)
    hidden = run("-k", "hidden")
    hidden.assert_outcomes(failed=1)
    hidden.stdout.fnmatch_lines(["the test hid that this call is not on *"])


def test_a_mask_of_ones_own_is_used(pytester: pytest.Pytester, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pytester.makeconftest("""
        import pytest
        from memkit.testing.cassette import without_dates

        @pytest.fixture
        def cassette_mask():
            return without_dates
        """)
    pytester.makepyfile(TALKING.replace("assert ask", "ask"))
    for day, option in [("2024-05-08", "--memkit-record=record"), ("2024-05-09", "-q")]:
        monkeypatch.setenv("SAID", f"ana on {day}")
        run(option).assert_outcomes(passed=2)


def test_only_two_words_record(run: Any) -> None:
    refused = run("--memkit-record=everything")
    assert refused.ret == pytest.ExitCode.USAGE_ERROR
    refused.stderr.fnmatch_lines(["*invalid choice*record*extend*"])


def test_names_of_tests_become_names_of_files(request: pytest.FixtureRequest) -> None:
    def named(name: str) -> str:
        item: Any = pytest.Function.from_parent(request.node.parent, name=name, callobj=lambda: None)
        return file_name(item)

    assert named("test_one") == "test_one"
    assert named("test_one[a-b]").startswith("test_one-a-b--")
    assert named("test_one[a/b]") != named("test_one[a:b]")
    assert len({named("test_one[" + letter * 500 + "]") for letter in "äöü"}) == 3
    assert all(len(named("x" * length)) <= 100 for length in (99, 100, 101, 5_000))
    assert "/" not in named("test_one[../../up]")


@pytest.mark.parametrize("also", [(), ("-p", PLUGIN)], ids=["entry point", "entry point and by name"])
def test_where_memkit_is_installed_the_plugin_is_loaded_once(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, also: tuple[str, ...]
) -> None:
    """With the entry point that pyproject.toml declares, in a folder that looks like an installed distribution."""
    points = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["pytest11"]
    ((name, module),) = points.items()
    information = pytester.mkdir("installed-1.0.dist-info")
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: installed\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(f"[pytest11]\n{name} = {module}\n")
    pytester.makeconftest(f"pytest_plugins = ['{PLUGIN}']")
    pytester.makepyfile(f"""
        def test_loaded(pytestconfig):
            loaded = [str(plugin) for plugin in pytestconfig.pluginmanager.get_plugins() if {PLUGIN!r} in str(plugin)]
            assert len(loaded) == 1
        """)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(pytester.path), *(path for path in sys.path if path)]))
    pytester.runpytest_subprocess(*also, "-W", "error", timeout=60).assert_outcomes(passed=1)


def test_importing_the_plugin_loads_nothing_heavy() -> None:
    heavy = {"faiss", "langchain_core", "numpy", "openai", "pydantic", "rich", "sqlalchemy", "torch", "transformers"}
    code = f"import sys, {PLUGIN}; print([name for name in sys.modules if name.partition('.')[0] in {heavy!r}])"
    code += "; print([name for name in sys.modules if name.startswith('memkit')])"
    variables = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-c", code]
    loaded = subprocess.run(command, env=variables, capture_output=True, text=True, check=True, timeout=60).stdout
    assert loaded.splitlines() == ["[]", "['memkit', 'memkit.testing', 'memkit.testing.plugin']"]
