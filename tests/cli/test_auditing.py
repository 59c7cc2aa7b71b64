"""`memkit audit`."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]


@pytest.fixture
def told(memkit: Command) -> str:
    """The id of an event that holds a secret, in a database that was absorbed."""
    memkit("add", "The boat is called Kittiwake, I think.", "--namespace", "a")
    memkit("add", "The boat is called Kittiwake, I think.", "--namespace", "a")
    id: str = memkit("add", "my password is hunter2", "--namespace", "b", "--json").json["ids"][0]
    memkit("status", "--sync")
    return id


def test_findings_are_told_with_the_ids_to_forget_and_without_the_secret(memkit: Command, told: str) -> None:
    done = memkit("audit")
    assert done.code == 0
    assert "3 events and 3 rows looked through" in done.out
    assert "secret  1 (33.3%)" in done.out
    assert told in done.out
    assert "hunter" not in done.out + done.err
    assert memkit("forget", "--id", told, "--namespace", "b").code == 0
    assert "secret" not in memkit("audit").out


def test_a_namespace_is_looked_through_alone(memkit: Command, told: str) -> None:
    result = memkit("audit", "--namespace", "a", "--json").json
    assert (result["events"], result["counts"], result["records"]) == (2, {"duplicate": 1}, {"passages": 2})
    (found,) = result["findings"]
    assert (found["kind"], found["namespace"], len(found["events"])) == ("duplicate", "a", 1)


def test_fail_makes_findings_an_exit_code(memkit: Command, told: str) -> None:
    assert memkit("audit", "--fail").code == 1
    memkit("add", "nothing wrong here", "--namespace", "c")
    memkit("status", "--sync")
    clean = memkit("audit", "--namespace", "c", "--fail")
    assert (clean.code, clean.out.splitlines()[-1]) == (0, "nothing was found")


def test_many_findings_of_a_kind_are_cut_on_the_screen_and_whole_in_json(memkit: Command) -> None:
    for number in range(25):
        memkit("add", f"my password is hunter{number}x")
    memkit("status", "--sync")
    done = memkit("audit")
    assert "and 5 more; --json has all" in done.out
    assert len(memkit("audit", "--json").json["findings"]) == 25


def test_bad_input_is_told(memkit: Command, told: str) -> None:
    assert memkit("audit", "--stale", "0").code == 2
    missing = memkit("audit", "--db", "nowhere.db")
    assert missing.code == 1
    assert "no memory at nowhere.db" in missing.err


@pytest.mark.parametrize("days", ["0", "-1", "365001", "99999999999999999999"])
def test_a_number_of_days_that_cannot_be_is_told(memkit: Command, told: str, days: str) -> None:
    done = memkit("audit", "--stale", days)
    assert (done.code, done.out) == (2, "")
    assert "at least 1" in done.err


def test_a_file_without_anything_is_an_empty_memory_and_a_foreign_one_is_refused(
    memkit: Command, tmp_path: Path
) -> None:
    (tmp_path / "empty.db").touch()
    assert "nothing was found" in memkit("audit", "--db", "empty.db").out
    (tmp_path / "letter.db").write_text("Dear Ana, " * 1_000, encoding="utf-8")
    assert "cannot be read as a memkit database" in memkit("audit", "--db", "letter.db").err
    with closing(sqlite3.connect(tmp_path / "foreign.db")) as foreign:
        foreign.execute("CREATE TABLE letters (text)")
        foreign.commit()
    assert "of another program" in memkit("audit", "--db", "foreign.db").err


def test_a_memory_on_postgresql_is_looked_through(memkit: Command, fresh_postgres_url: str) -> None:
    memkit("add", "my password is hunter2", "--db", fresh_postgres_url)
    assert memkit("status", "--sync", "--db", fresh_postgres_url).code == 0
    assert memkit("audit", "--db", fresh_postgres_url, "--json").json["counts"] == {"secret": 1}
