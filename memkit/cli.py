"""The command line. The commands are in `memkit.commands`; here they are put together, and whatever goes wrong becomes one
sentence and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import typer

import memkit
from memkit.commands import adding, asking, auditing, demo, keeping, measuring, multihop, output
from memkit.errors import MemkitError

FAILED, MISUSED, INTERRUPTED, UNREAD = 1, 2, 130, 141  # 3, asking.NOTHING: nothing was found

# typer has carried its own copy of click since 0.2x, so the class of all usage errors is reached from the one it exports
UsageError: type[typer.BadParameter] = next(one for one in typer.BadParameter.__mro__ if one.__name__ == "UsageError")

app = typer.Typer(
    help="An agent's memory: remember, recall, forget. One SQLite file, no server, no key.",
    epilog="Exit codes: 0 done, 1 something failed, 2 wrong usage, 3 nothing found (recall, context), 130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # plain help: the docs quote it, and it need not load rich's markup
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        output.console().print(memkit.__version__)
        raise typer.Exit


@app.callback()
def memkit_(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    pass


app.command("add")(adding.add)
app.command("recall")(asking.recall)
app.command("context")(asking.context)
app.command("forget")(keeping.forget)
app.command("status")(keeping.status)
app.command("audit")(auditing.audit)
app.command("export")(keeping.export)
app.command("import")(adding.import_)
app.command("reembed")(keeping.reembed)
app.command("demo")(demo.demo)
measuring.evaluation.command("multihop")(multihop.multihop)
app.add_typer(measuring.evaluation, name="eval")
app.add_typer(measuring.benchmark, name="bench")


def main() -> None:
    """The entry point: run the command of this process and leave with its exit code."""
    for stream in (sys.stdout, sys.stderr):
        # Lines of JSON and remembered texts are UTF-8 whatever the locale says; half a character becomes \udc00
        stream.reconfigure(encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr]
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code. No error leaves this function but a defect of memkit's."""
    try:
        code = app(args=_settled(arguments), prog_name="memkit", standalone_mode=False)
        sys.stdout.flush()
    except (SystemExit, BrokenPipeError):  # whoever read the output has gone; typer exits on that itself
        _drop_output()
        return UNREAD
    except (KeyboardInterrupt, typer.Abort):  # the second while a question waits for its answer
        return INTERRUPTED
    except UsageError as e:
        return _failed(_with_help(e), "UsageError", MISUSED, arguments)
    except (ValueError, TypeError) as e:
        return _failed(str(e), type(e).__name__, MISUSED, arguments)
    except (MemkitError, ImportError, OSError) as e:
        return _failed(str(e), type(e).__name__, FAILED, arguments)
    return code if isinstance(code, int) else 0


def _failed(message: str, kind: str, code: int, arguments: Sequence[str]) -> int:
    if "--json" in arguments:
        output.emit({"error": message, "type": kind})
    else:
        output.console(error=True).print(f"memkit: {output.harmless(message)}", style="red")
    return code


def _with_help(error: typer.BadParameter) -> str:
    """The message and where to read on."""
    context = getattr(error, "ctx", None)
    command = "memkit" if context is None else context.command_path
    return f"{error.format_message()} (see `{command} --help`)"


def _settled(arguments: Sequence[str]) -> list[str]:
    """The arguments with a "-" after a --json of eval and bench that names no file: there it takes an optional value, which
    typer does not know."""
    settled = list(arguments)
    if settled[:1] in (["eval"], ["bench"]) and "--json" in settled:
        place = settled.index("--json") + 1
        if place == len(settled) or (settled[place].startswith("--")):
            settled.insert(place, measuring.STDOUT)
    return settled


def _drop_output() -> None:
    """Let what is still in the buffers go nowhere, so that Python does not complain while it exits."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
