"""What the figures of a run belong to: the device, its driver, versions, threads and the day. No name of a machine, no path."""

import os
import platform
import shutil
import subprocess
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

__all__ = ["machine"]

PACKAGES = (
    "torch", "triton", "numpy", "scipy", "faiss-cpu", "faiss-gpu-cu12", "cuvs-cu12", "cugraph-cu12", "liger-kernel",
    "sentence-transformers", "transformers", "networkx",
)  # fmt: skip


def machine(device: torch.device) -> dict[str, object]:
    """Names and numbers, ready for JSON."""
    return {
        "kind": device.type,
        "device": _gpu(device) if device.type == "cuda" else _processor(),
        "driver": _driver() if device.type == "cuda" else None,
        "cuda": torch.version.cuda if device.type == "cuda" else None,
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "packages": {name: there for name in PACKAGES if (there := _installed(name))},
        "date": date.today().isoformat(),
    }


def _gpu(device: torch.device) -> str:
    return str(torch.cuda.get_device_name(device))


def _processor() -> str:
    """The processor's own name, which Linux alone tells; else its architecture."""
    told = Path("/proc/cpuinfo")
    lines = told.read_text(encoding="utf-8").splitlines() if told.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names and names[0] else platform.machine()


def _driver() -> str:
    if shutil.which("nvidia-smi") is None:
        return "unknown"
    asked = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    told = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=30).stdout.split()
    return told[0] if told else "unknown"


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
