"""The chatbot as a person has it: a process at a terminal, over a server that speaks OpenAI's language."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import memkit
import memkit_kernels
import memkit_stores
from memkit.messages import Reply, Request, ToolCall
from memkit.testing.scripted import ScriptedModel
from memkit.testing.server import ModelServer, refused, slow

CHATBOT = Path(__file__).parents[2] / "examples" / "chatbot" / "chat.py"


def answer(request: Request) -> Reply | str:
    """Knows what it is shown, and nothing else."""
    said, shown = request.messages[-1].content, request.messages[0].content
    if request.messages[-1].role == "tool":
        return f"Done: {said}"
    if said.startswith("Please forget"):
        call = ToolCall(id="c", name="forget", arguments='{"ids": ["1"]}')
        return Reply(text="", calls=(call,), finish="calls")
    return "Of thunder." if "afraid of" in said and "Minou is afraid of thunder" in shown else "I see."


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer(model=ScriptedModel(answer)) as server:
        yield server


@pytest.fixture
def start(tmp_path: Path, server: ModelServer) -> Callable[[], subprocess.Popen[str]]:
    def started() -> subprocess.Popen[str]:
        homes = [str(Path(str(package.__file__)).parents[1]) for package in (memkit, memkit_stores, memkit_kernels)]
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(homes),
            "OPENAI_BASE_URL": server.url,
            "OPENAI_API_KEY": "test-key",
        }
        return subprocess.Popen(
            [sys.executable, str(CHATBOT), "--user", "ana", "--model", "any", "--db", str(tmp_path / "a.db")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )

    return started


def run(start: Callable[[], subprocess.Popen[str]], *lines: str) -> str:
    """What is on the terminal when these lines were typed."""
    with start() as chatbot:
        shown, _ = chatbot.communicate("".join(f"{line}\n" for line in lines), timeout=60)
    assert chatbot.returncode == 0
    return shown


def test_the_second_run_knows_what_the_first_was_told(
    start: Callable[[], subprocess.Popen[str]], tmp_path: Path
) -> None:
    # so much is said in between that the beginning is no longer among the latest turns
    chatter = [
        f"On day {n} we walked along the river, and it was a fine walk. {'And on we went. ' * 40}" for n in range(12)
    ]
    assert "I see." in run(start, "My cat Minou is afraid of thunder.", *chatter)
    shown = run(
        start, "What is my cat Minou afraid of?", "/why", "/forget cat Minou thunder", "y", "What is it afraid of?"
    )
    assert "> Of thunder." in shown
    assert "passages" in shown
    assert "and gone from the disk." in shown
    assert shown.rstrip().endswith("I see.\n>")
    with memkit.open(tmp_path / "a.db") as memory:
        assert "My cat Minou is afraid of thunder." not in [event.text for event in memory.history(namespace="ana")]


def test_a_model_that_asks_to_forget_is_answered_by_the_person(
    start: Callable[[], subprocess.Popen[str]], tmp_path: Path
) -> None:
    with memkit.open(tmp_path / "a.db") as memory:
        memory.add("My locker code is 4711.", namespace="ana", session="old")
    shown = run(start, "Please forget my locker code.", "no", "Please forget my locker code.", "yes")
    assert shown.count("My locker code is 4711.\nForget this? [y/N]") == 2
    assert "Done: The person said no. Nothing was forgotten." in shown
    assert "Done: Forgotten: 1." in shown


@pytest.mark.slow
def test_killed_in_a_reply_the_chatbot_goes_on_with_it(
    start: Callable[[], subprocess.Popen[str]], server: ModelServer
) -> None:
    server.script(slow(30))
    with start() as chatbot:
        assert chatbot.stdin is not None
        assert chatbot.stdout is not None
        chatbot.stdin.write("Hello, are you there?\n")
        chatbot.stdin.flush()
        assert chatbot.stdout.read(2) == "> "
        while not server.requests:
            time.sleep(0.01)
        chatbot.send_signal(signal.SIGKILL)
    assert run(start).startswith("I see.\n> ")
    assert run(start) == "> \n"


def test_a_server_that_fails_loses_nothing_that_was_said(
    start: Callable[[], subprocess.Popen[str]], server: ModelServer
) -> None:
    server.script(refused(401), None)
    shown = run(start, "Hello, are you there?", "/resume")
    assert "[No reply: " in shown
    assert "> I see." in shown
