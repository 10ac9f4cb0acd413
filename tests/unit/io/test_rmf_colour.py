"""Colours in RMF files: added, with nothing else changed."""

import numpy as np
import pytest

from congruence.io.rmf import open_rmf
from congruence.io.rmf.colour import COLOR, write_colored
from congruence.io.rmf.edit import StaticTable
from congruence.simulate import simulate_runs


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    simulate_runs(folder, models=6, clusters=1, runs=1, replicas=1, seed=1)
    return open_rmf(folder / "run1" / "output" / "rmfs" / "0.rmf3")


def test_only_colours_change(source, tmp_path):
    topology = source.topology(1)
    colors = np.random.default_rng(0).random((len(topology), 3))
    write_colored(
        source, 3, tmp_path / "c.rmf3", nodes=topology.node_id, colors=colors, description="why"
    )
    there = open_rmf(tmp_path / "c.rmf3")
    assert len(there) == 1
    assert there.topology(1).key == topology.key
    for resolution in (0, 1, 10):
        assert np.array_equal(
            there.coordinates([0], resolution), source.coordinates([3], resolution)
        )
    for node, color in zip(topology.node_id.tolist(), colors, strict=True):
        assert there.value(node, "shape", "rgb color", 0) == pytest.approx(color, abs=1e-6)
    assert there.description.endswith("why")
    before, after = StaticTable(source.static_record()), StaticTable(there.static_record())
    assert set(after.keys) - set(before.keys) <= {COLOR}
    for key in before.keys:
        if key != COLOR and not key[1].endswith(("filename", "filenames")):
            assert after.column(key) == before.column(key)
    assert [n.name for n in after.nodes.values()] == [n.name for n in before.nodes.values()]


def test_a_file_can_take_its_own_place(source, tmp_path):
    path = tmp_path / "c.rmf3"
    topology = source.topology(1)
    some = topology.node_id[:4]
    write_colored(source, 0, path, nodes=some, colors=np.full((4, 3), 0.25))
    write_colored(open_rmf(path), 0, path, nodes=some[:2], colors=np.full((2, 3), 0.75))
    there = open_rmf(path)
    found = [there.value(int(n), "shape", "rgb color")[0] for n in some]
    assert found == [0.75, 0.75, 0.25, 0.25]
    assert np.array_equal(there.coordinates([0]), source.coordinates([0]))
