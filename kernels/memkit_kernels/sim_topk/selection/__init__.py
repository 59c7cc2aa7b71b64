"""The later passes of sim_topk: from the best groups to the best keys. kernel.py is in Triton."""
