"""The first pass of linear_surprisal: from hidden states to each split's sums. kernel.py is in Triton."""
