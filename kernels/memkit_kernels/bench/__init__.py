"""The benchmark of all operations: `python -m memkit_kernels.bench`. See docs/kernels.md for how it measures.

Needs what the operations need, torch and triton, and nothing else; rivals that are not installed are named as such.
"""
