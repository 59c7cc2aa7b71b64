"""The first pass of sim_topk: the best score of each group of keys. kernel.py is in Triton."""
