"""What looks like a secret is found, what does not is left alone, and nothing of it is told."""

import base64
import json
import string
import time
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memkit.audit.secrets import masked, secrets

ROOT = Path(__file__).parents[2]
BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
DRAWN = Random(7)


def drawn(count: int, signs: str = BASE62) -> str:
    return "".join(DRAWN.choice(signs) for _ in range(count))


def part(value: dict[str, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


# Made up here, so that no scanner takes this file for a leak; the first is the published example of GitHub's checksum
GITHUB = "ghp_" + "zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ" + "0mLq17"
JWT = f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part({'sub': 'somebody'})}.{drawn(43)}"
TOLD = [
    ("GitHub token", GITHUB),
    ("GitHub token", f"github_pat_{drawn(22)}_{drawn(59)}"),
    ("npm token", "npm" + GITHUB[3:]),
    ("AWS access key", "AKIA" + drawn(16, string.ascii_uppercase + "234567")),
    ("Google API key", "AIza" + drawn(35)),
    ("OpenAI key", f"sk-proj-{drawn(20)}T3BlbkFJ{drawn(20)}"),
    ("Anthropic key", f"sk-ant-api03-{drawn(95)}"),
    ("Stripe key", f"sk_live_{drawn(24)}"),
    ("Slack token", f"xoxb-123456789012-{drawn(24)}"),
    ("GitLab token", f"glpat-{drawn(20)}"),
    ("Hugging Face token", f"hf_{drawn(34, string.ascii_letters)}"),
    ("SendGrid key", f"SG.{drawn(22)}.{drawn(43)}"),
    ("PyPI token", f"pypi-AgEIcHlwaS5vcmc{drawn(80)}"),
    ("DigitalOcean token", f"dop_v1_{drawn(64, '0123456789abcdef')}"),
    ("Telegram bot token", f"123456789:AA{drawn(33)}"),
    ("JSON Web Token", JWT),
    ("private key", f"-----BEGIN OPENSSH PRIVATE KEY-----\n{drawn(64)}\n-----END OPENSSH PRIVATE KEY-----"),
    ("credit card number", "4012 8888 8888 1881"),
    ("credit card number", "5500-0000-0000-0004"),
    ("credit card number", "378282246310005"),
    ("random token", drawn(40)),
    ("random token", base64.b64encode(bytes(DRAWN.randrange(256) for _ in range(32))).decode()),
]


@pytest.mark.parametrize(("kind", "secret"), TOLD, ids=[f"{kind} {n}" for n, (kind, _) in enumerate(TOLD)])
def test_a_secret_is_found_where_it_stands(kind: str, secret: str) -> None:
    for before, after in (("", ""), ("Here you are: ", "."), ("(", ")"), ("線は ", " です"), ('{"key": "', '"}')):
        (found,) = secrets(f"{before}{secret}{after}")
        assert found.kind == kind
        assert found.start == len(before)
        assert found.end >= len(before) + len(secret.rstrip("=-"))


def test_a_token_with_a_wrong_checksum_is_none_of_its_issuers() -> None:
    assert [one.kind for one in secrets(GITHUB[:-1] + "8")] == ["random token"]


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("my password is hunter2", "hunter2"),
        ("Our wifi password is swordfish.", "swordfish"),
        ("I think my password for the bank is Tr0ub4dor&3, or was.", "Tr0ub4dor&3"),
        ("the PIN is 4711", "4711"),
        ("my api key is now 'abc-123-def'", "abc-123-def"),
        ("password: s3cr3tpw!", "s3cr3tpw!"),
        ("DB_PASSWORD=abc123def456", "abc123def456"),
        ('"client_secret": "a1b2c3d4e5"', "a1b2c3d4e5"),
        ("postgres://ana:s3cret@db.example.com/x", "s3cret"),
    ],
)
def test_a_password_is_found_by_the_words_before_it(text: str, secret: str) -> None:
    (found,) = secrets(text)
    assert found.kind == "password"
    assert text[found.start : found.end] == secret


TRAPS = [
    "my password is wrong",
    "my password is not working",
    "The password is required.",
    "our password is expired again",
    "my password is too short, says the page",
    "I forgot my password.",
    "the password is whatever you like",
    "The key is under the mat",
    "his pin is bent",
    "the secret is out",
    "Our secret key is persistence.",
    "What is the password?",
    "password: <your password>",
    "PASSWORD=${DB_PASSWORD}",
    "password=changeme123",
    "postgres://user:password@localhost/db",
    "AKIAIOSFODNN7EXAMPLE",
    "ghp_" + "x" * 36,
    "sk-learn-contrib and sk-image",
    "eyJhbGciOiJub25l.eyJ is how it begins",
    "xoxo-from-all-of-us",
    "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----",
    "4012 8888 8888 1882",  # a wrong check digit
    "1111 1111 1111 1111",
    "40128888 88881881",  # no card is written so
    "+41 44 012 88 88 and 2024-05-08 12:33:11",
    "ISBN 978-3-16-148410-0",
    "1715171591123456",
    "123e4567-e89b-12d3-a456-426614174000",
    "9fceb02d0ae598e95dc970b74767f19372d61af8",
    "getElementsByTagNameNSAndAttribute2Value",
    "https://example.com/a/GettingStartedWithTheNewApi2024VersionTwo?q=aB3dE5fG7hI9jK1lM3nO5pQ7",
    "/usr/local/lib/python3.11/site-packages/NumPy-1.26.4.dist-info",
    "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaA1",
    "Donaudampfschifffahrtsgesellschaftskapitän",
]


@pytest.mark.parametrize("text", TRAPS)
def test_what_only_resembles_a_secret_is_left_alone(text: str) -> None:
    assert [(one.kind, text[one.start : one.end]) for one in secrets(text)] == []


@pytest.mark.parametrize(
    "path",
    ["memkit/demo/alice.txt", "memkit/demo/conversation.jsonl", "docs/tutorial.md", "docs/recall.md", "README.md"],
)
def test_prose_holds_no_secret(path: str) -> None:
    text = (ROOT / path).read_text(encoding="utf-8")
    assert [(one.kind, text[one.start : one.end]) for one in secrets(text)] == []


def test_masking_leaves_no_part_of_a_secret() -> None:
    text = f"my password is hunter2, and {GITHUB} is the token; {JWT}"
    assert masked(text) == "my password is •••, and ••• is the token; •••"
    assert masked("nothing here") == "nothing here"


@given(st.text())
def test_secrets_of_any_text_lie_within_it_and_apart(text: str) -> None:
    place = 0
    for one in secrets(text):
        assert place <= one.start < one.end <= len(text)
        place = one.end


@pytest.mark.parametrize(
    "unit",
    [
        "my password ",
        "a",
        "aB1",
        "1234 ",
        "eyJ",
        "sk-",
        "api_",
        "://a:",
        "-----BEGIN ",
        "A1b+/",
        "xox",
        "x_y-",
        "my a b c pin ",
        "key=",
    ],
)
def test_a_megabyte_of_anything_takes_moments(unit: str) -> None:
    started = time.process_time()
    secrets(unit * (1_000_000 // len(unit)) + "T3BlbkFJ")
    assert time.process_time() - started < 10
