"""Counting tokens, for whoever packs a prompt. See `memkit.tokens`."""

from memkit.tokens import Count, estimate

__all__ = ["Count", "estimate"]
