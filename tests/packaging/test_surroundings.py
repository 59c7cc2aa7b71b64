"""The things tests/conftest.py promises: no network, a real PostgreSQL, a real embedding model."""

import importlib.util
import socket
import subprocess
import sys
from pathlib import Path

import pytest


def test_a_stranger_cannot_be_reached() -> None:
    with socket.socket() as outgoing, pytest.raises(pytest.fail.Exception, match="no network"):
        outgoing.connect(("192.0.2.1", 80))  # TEST-NET-1, RFC 5737: nobody lives there


def test_the_name_of_a_stranger_cannot_be_looked_up() -> None:
    with pytest.raises(pytest.fail.Exception, match="no network"):
        socket.create_connection(("example.org", 443))


def test_a_server_on_this_machine_can_be_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        answering, _ = server.accept()
        with answering:
            client.sendall(b"x")
            assert answering.recv(1) == b"x"


def test_postgres_is_real_and_has_vectors(fresh_postgres_url: str) -> None:
    sqlalchemy = pytest.importorskip("sqlalchemy")
    engine = sqlalchemy.create_engine(fresh_postgres_url)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("CREATE EXTENSION vector"))
        assert connection.scalar(sqlalchemy.text("SELECT '[3,4]'::vector <-> '[0,0]'::vector")) == 5.0
    engine.dispose()


def test_each_test_gets_an_empty_database(fresh_postgres_url: str, postgres_url: str) -> None:
    sqlalchemy = pytest.importorskip("sqlalchemy")
    assert fresh_postgres_url != postgres_url
    engine = sqlalchemy.create_engine(fresh_postgres_url)
    with engine.connect() as connection:
        assert connection.scalar(sqlalchemy.text("SELECT count(*) FROM pg_extension WHERE extname = 'vector'")) == 0
    engine.dispose()


def test_the_embedding_model_puts_a_question_near_its_answer(minilm_folder: Path) -> None:
    sentence_transformers = pytest.importorskip("sentence_transformers")
    model = sentence_transformers.SentenceTransformer(str(minilm_folder), device="cpu")
    question, answer, other = model.encode(
        ["Where does Ana live?", "Ana moved to Lisbon in May.", "The kettle is broken."], normalize_embeddings=True
    )
    assert question.shape == (384,)
    assert question @ answer > question @ other


def test_a_run_that_must_be_complete_refuses_to_start_without_the_extras(root: Path, tmp_path: Path) -> None:
    """Seen from an interpreter that has pytest and nothing else of ours."""
    if importlib.util.find_spec("sentence_transformers"):
        pytest.skip("everything is installed here; the run without extras checks this")
    command = [sys.executable, "-m", "pytest", "--require-extras", "--collect-only", "tests/packaging/test_names.py"]
    ended = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 4
    assert "not installed" in ended.stdout + ended.stderr
