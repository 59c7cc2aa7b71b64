"""Renew what the docs quote from the program: the help of every command. `make docs` runs it.

A quotation is a fenced block behind a comment that says what is quoted:

    <!-- quoted: memkit add --help -->
    ```text
    …
    ```
"""

import contextlib
import io
import os
import re
import sys
from pathlib import Path

from memkit.cli import run

HERE = Path(__file__).parent
COLUMNS = "80"  # the width of the quoted help, whatever terminal this runs in
QUOTED = re.compile(
    r"(?P<head><!-- quoted: memkit (?P<arguments>[^\n]*) -->\n```text\n)(?P<body>.*?)(?P<tail>```\n)", re.DOTALL
)


def printed(arguments: list[str]) -> str:
    """What the command prints on standard output, at a fixed width."""
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = COLUMNS
    try:
        with contextlib.redirect_stdout(io.StringIO()) as output:
            run(arguments)
    finally:
        del os.environ["COLUMNS"]
        if before is not None:
            os.environ["COLUMNS"] = before
    return output.getvalue()


def renewed(text: str) -> str:
    """The text with every quotation as the program prints it now."""
    return QUOTED.sub(lambda quote: quote["head"] + printed(quote["arguments"].split()) + quote["tail"], text)


def main() -> None:
    """Renew all pages. With --check, change nothing and fail if a page is out of date."""
    check = "--check" in sys.argv[1:]
    stale = []
    for page in sorted(HERE.rglob("*.md")):
        text = page.read_text(encoding="utf-8")
        if renewed(text) != text:
            stale.append(page.name)
            if not check:
                page.write_text(renewed(text), encoding="utf-8")
    print(f"{'out of date' if check else 'renewed'}: {', '.join(stale) or 'nothing'}")
    sys.exit(bool(check and stale))


if __name__ == "__main__":
    main()
