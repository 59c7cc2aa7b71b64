"""`sync` leaves nothing for the first recall to do: synonyms are found, with an embedder or without one."""

from __future__ import annotations

from pathlib import Path

import pytest

import memkit
from memkit.components.hipporag import HippoRAG
from memkit.testing.embedders import HashEmbedder
from memkit_stores.store import SqlStore


@pytest.mark.parametrize("embedder", [HashEmbedder(16), None], ids=["vectors", "words"])
def test_after_sync_every_name_has_its_synonyms(tmp_path: Path, embedder: HashEmbedder | None) -> None:
    place = tmp_path / "m.db"
    with memkit.open(place, components=[HippoRAG()], embedder=embedder) as memory:
        memory.add("Ana Silva moved to Porto. Ana Silva works for Delta Marine.")
        memory.add("Porto lies on the Douro.", namespace="other")
        memory.sync()
    store = SqlStore(str(place))
    with store.database.read() as connection:
        names, lists = (
            connection.exec_driver_sql(f"SELECT count(*) FROM {some}").scalar_one()
            for some in ("nodes WHERE kind = 0", "likened")
        )
    store.close()
    assert names >= 3
    assert lists == (0 if embedder is None else names)
