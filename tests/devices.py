"""Devices that tests run on: arrays of the processor, and each card that is there."""

from contextlib import contextmanager

import pytest

TORCH = "needs the extra gpu (torch)"


def cards():
    """Return the words of the cards that can be used here, one for each library."""
    found = []
    try:
        import torch
    except ImportError:
        pass
    else:
        found += ["torch:cuda"] if torch.cuda.is_available() else []
    try:
        import cupy
    except ImportError:
        return found
    return found + (["cupy"] if cupy.cuda.is_available() else [])


DEVICES = ["numpy", "torch:cpu", *cards()]


@contextmanager
def usable(word):
    """Skip where the library is missing; keep torch to one thread on busy cores."""
    if not word.startswith("torch"):
        yield word
        return
    torch = pytest.importorskip("torch", reason=TORCH)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield word
    finally:
        torch.set_num_threads(before)
