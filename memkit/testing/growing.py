"""A file that is put in place whole, and of which nothing is lost if the process is killed before."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable
from pathlib import Path


class Growing:
    """Grows line by line beside `path`, in a file that ends in ".part", until `finish` puts all of it in place.

    With `keep`, what a process left there that was killed is kept, but for a line that was cut off; else it is removed. Raises
    BlockingIOError when somebody else is at it. Not for several threads.
    """

    def __init__(self, path: Path, *, keep: bool) -> None:
        self.part = path.with_name(path.name + ".part")
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self.part.open("ab")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(self._file.fileno()).st_nlink == 0:  # whoever had it finished between the two lines above
                raise BlockingIOError(f"{self.part} has just gone")
            left = self.part.read_bytes() if keep else b""
            self._file.truncate(left.rfind(b"\n") + 1)
        except BaseException:
            self._file.close()
            raise

    def append(self, line: str) -> None:
        """The line outlives the process when this returns."""
        self._file.write(line.encode() + b"\n")
        self._file.flush()

    def finish(self, lines: Iterable[str]) -> None:
        """Replace the file at `path` by these lines. When that fails it is left as it is, and so is the part."""
        whole = self.part.with_name(self.part.name + ".new")
        try:
            with whole.open("wb") as file:
                file.writelines(line.encode() + b"\n" for line in lines)
                file.flush()
                os.fsync(file.fileno())
            whole.replace(self._path)
            self.part.unlink()
        finally:
            self._file.close()  # and only now may somebody else begin

    def leave(self) -> None:
        """Stop, and leave what there is for the next one."""
        self._file.close()
