"""Where the shared reference data are, when they are there at all."""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"
DATA = SHARED / "data"
GOLDEN = SHARED / "golden"
SPEC = SHARED / "spec"

needs_shared = pytest.mark.skipif(
    not DATA.is_dir(), reason="needs ../shared/data, which is not on this machine"
)
