"""The commands of `memkit`, a module for each kind. `memkit.cli` puts them together and reports what goes wrong.

Importing them must stay cheap: `memkit --help` waits for it. They reach memkit by its lazy names (`memkit.open`), which load
NumPy and SQLAlchemy when a command runs.
"""
