"""Pages whose blocks need a library that is not there are left out."""

import importlib.util

collect_ignore = [] if importlib.util.find_spec("torch") else ["kernels.md", "writing_kernels.md"]
