"""Processes that must not outlive the one that started them."""

import ctypes
import signal
import sys


def end_with_parent() -> None:
    """Makes the kernel kill this process as soon as its parent is gone, however that ends; on Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
