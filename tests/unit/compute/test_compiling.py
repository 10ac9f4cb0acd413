"""Where the machine code of kernels is kept, seen from a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("numba")

CODE = """
import numba
import numpy as np
from congruence.compute import _density_splat, _kernels
print(_kernels._newton.stats.cache_path)
print(_density_splat.holds.stats.cache_path)
print(repr(numba.config.CACHE_DIR))
if {run}:
    _density_splat.holds(0.0, 0.0, 0.0, 2, (4, 4, 4))
"""


def kernels(tmp_path, *, run=False, **environ):
    """Return where both kernels are kept, and the setting that others find afterwards."""
    base = {k: v for k, v in os.environ.items() if k not in ("CONGRUENCE_CACHE", "NUMBA_CACHE_DIR")}
    words = {"HOME": str(tmp_path / "home"), "XDG_CACHE_HOME": str(tmp_path / "xdg")} | environ
    done = subprocess.run(
        [sys.executable, "-c", CODE.format(run=run)],
        env=base | words,
        capture_output=True,
        text=True,
        check=True,
    )
    one, two, after = done.stdout.split("\n")[:3]
    assert Path(one) == Path(two)
    return Path(one), after


@pytest.mark.skipif(sys.platform != "linux", reason="the cache folder has another name there")
def test_kernels_are_kept_in_the_users_cache(tmp_path):
    folder, after = kernels(tmp_path, run=True)
    assert folder.parent == tmp_path / "xdg" / "congruence" / "kernels"
    assert list(folder.glob("_density_splat*.nbi"))
    assert after == "''"  # functions of the user keep their own place


def test_the_variable_of_the_cache_names_their_folder_too(tmp_path):
    folder, _ = kernels(tmp_path, CONGRUENCE_CACHE=str(tmp_path / "mine"))
    assert folder.parent == tmp_path / "mine" / "kernels"


def test_the_variable_of_numba_comes_first(tmp_path):
    folder, after = kernels(tmp_path, NUMBA_CACHE_DIR=str(tmp_path / "numba"))
    assert folder.parent == tmp_path / "numba"
    assert after == repr(str(tmp_path / "numba"))


def test_numba_chooses_where_the_folder_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    folder, after = kernels(tmp_path, CONGRUENCE_CACHE=str(tmp_path / "file" / "in it"))
    assert tmp_path / "file" not in folder.parents
    assert folder.is_dir()
    assert after == "''"
