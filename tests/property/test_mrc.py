"""Whatever the bytes, the reader of maps raises nothing but its own errors."""

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from congruence.core.grid import DensityMap, Grid
from congruence.errors import FormatError
from congruence.io.mrc import read_mrc, write_mrc

RELAXED = settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@RELAXED
@given(
    at=st.one_of(st.integers(0, 1119), st.integers(0, 223)),
    value=st.binary(min_size=1, max_size=4),
    cut=st.one_of(st.just(0), st.integers(0, 1119)),
)
def test_mutated_files(tmp_path, at, value, cut):
    path = tmp_path / "a.mrc"
    values = np.arange(24, dtype=np.float32).reshape(4, 3, 2)
    write_mrc(path, DensityMap("A", Grid((1.0, 2.0, 3.0), (2, 3, 4), 2.0), values))
    data = bytearray(path.read_bytes())
    data[at : at + len(value)] = value
    path.write_bytes(bytes(data[: len(data) - cut]))
    try:
        back = read_mrc(path)
    except FormatError as error:
        assert str(path) in error.message
    else:
        assert back.values.size == back.grid.size
        assert np.isfinite(back.values).all()
