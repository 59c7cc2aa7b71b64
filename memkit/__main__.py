"""`python -m memkit` is the command `memkit`."""

from memkit.cli import main

main()
