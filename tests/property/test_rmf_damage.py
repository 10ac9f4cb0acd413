"""Whatever happens to the bytes: our own errors or counted losses, nothing else."""

import functools

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tinyrmf import header, tiny_frames

from congruence.errors import CongruenceError
from congruence.io.rmf import open_rmf

HEADER = {codec: len(header(codec)) for codec in ("null", "deflate")}


@functools.cache
def content(codec, per_block):
    return tiny_frames(4).bytes(per_block=per_block, codec=codec)


def use_all(path):
    """Call everything that reads; damaged files may refuse with our own errors only."""
    try:
        file = open_rmf(path)
    except CongruenceError as error:
        assert str(error)
        return None
    for call in (
        lambda: len(file),
        lambda: file.losses.by_reason(),
        lambda: file.is_closed,
        lambda: file.topology(),
        lambda: file.topology("all"),
        lambda: file.topology(state=0),
        lambda: file.coordinates(),
        lambda: file.coordinates(slice(0, 3), 10),
        lambda: file.gaussians(),
        lambda: file.restraint_scores(),
        lambda: file.provenance(),
        lambda: file.structure_provenance(),
        lambda: file.stat(),
        lambda: file.static_record(),
        lambda: [file.frame_payload(i) for i in file.frame_ids],
        lambda: [file.value(12, "physics", "coordinates", i) for i in file.frame_ids],
        lambda: file.nodes,
        lambda: file.frame_names,
    ):
        try:
            call()
        except CongruenceError as error:
            assert str(error)
    return file


@settings(
    max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    codec=st.sampled_from(["null", "deflate"]),
    per_block=st.sampled_from([1, 2, 9]),
    changes=st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=4
    ),
    cut=st.none() | st.floats(0, 1),
)
def test_changed_bytes(tmp_path, codec, per_block, changes, cut):
    data = bytearray(content(codec, per_block))
    start = HEADER[codec]
    for where, byte in changes:
        data[start + int(where * (len(data) - start))] = byte
    if cut is not None:
        del data[start + int(cut * (len(data) - start)) :]
    path = tmp_path / "x.rmf3"
    path.write_bytes(data)
    use_all(path)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(where=st.integers(0, HEADER["null"] - 1), byte=st.integers(0, 255))
def test_changed_headers(tmp_path, where, byte):
    data = bytearray(content("null", 9))
    data[where] = byte
    path = tmp_path / "x.rmf3"
    path.write_bytes(data)
    use_all(path)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(inside=st.binary(max_size=200), per_block=st.sampled_from([1, 9]), where=st.floats(0, 1))
def test_inserted_bytes_lose_no_block_elsewhere(tmp_path, inside, per_block, where):
    data = content("null", per_block)
    at = HEADER["null"] + int(where * (len(data) - HEADER["null"]))
    path = tmp_path / "x.rmf3"
    path.write_bytes(data[:at] + inside + data[at:])
    file = use_all(path)
    if file is not None and per_block == 1 and at > HEADER["null"] + 2000:
        assert len(file) >= 2


@pytest.mark.parametrize("per_block", [1, 9])
def test_cut_at_every_byte(tmp_path, per_block):
    data = content("null", per_block)
    path = tmp_path / "x.rmf3"
    whole = tmp_path / "whole.rmf3"
    whole.write_bytes(data)
    expected = open_rmf(whole).coordinates()
    known = 0
    for cut in range(HEADER["null"], len(data)):
        path.write_bytes(data[:cut])
        try:
            file = open_rmf(path)
        except CongruenceError:
            assert known == 0
            continue
        assert len(file) >= known
        if len(file) > known:
            known = len(file)
            assert np.array_equal(file.coordinates(), expected[:known])
    assert known == 4
