"""What files of one run share, and what is each one's own."""

import numpy as np
import pytest

from congruence.io.rmf import open_rmf, transform
from congruence.io.rmf.clone import write_member
from congruence.simulate import simulate_runs


@pytest.fixture(scope="module")
def members(tmp_path_factory):
    """Three frames of one simulated file, as files that say which frame they hold."""
    folder = tmp_path_factory.mktemp("shared")
    simulate_runs(folder / "runs", models=6, runs=1, replicas=1, seed=2)
    source = open_rmf(folder / "runs/run1/output/rmfs/0.rmf3")
    paths = [folder / f"{i}.rmf3" for i in range(3)]
    for i, path in enumerate(paths):
        write_member(source, i, path, description=f"frame number {i}" + i * "!")
    return source, paths


def test_files_that_differ_in_their_description_share_what_they_have_in_common(members):
    source, paths = members
    files = [open_rmf(path) for path in paths]
    assert len({id(file.topology()) for file in files}) == 1
    assert "frame number 0" in files[0].description
    assert "frame number 2!!" in files[2].description
    assert files[1].static_record()["info"]["description"] == files[1].description
    assert len({file.description for file in files}) == 3
    for i, file in enumerate(files):
        assert np.array_equal(file.coordinates(), source.coordinates([i]))


def test_a_cut_description_is_not_taken_from_another_file(members, tmp_path):
    _, paths = members
    open_rmf(paths[0]).topology()
    damaged = tmp_path / "damaged.rmf3"
    data = paths[1].read_bytes()
    at = data.index(b"frame number 1")
    damaged.write_bytes(data[:at] + b"\xff" + data[at + 1 :])
    with pytest.raises(Exception, match="no whole"):
        open_rmf(damaged).topology()


def test_beads_of_one_frame_of_reference_move_together_to_the_same_bytes(monkeypatch):
    rng = np.random.default_rng(0)
    owner = np.repeat([0, 1, 2, 1], [40, 50, 60, 70])
    gaps = [np.arange(10, 50), np.arange(60, 110), np.arange(120, 240, 2), np.arange(300, 370)]
    plan = transform.Plan(np.arange(3), np.full(3, -1), (), np.concatenate(gaps), owner)
    turns = transform.matrices(rng.normal(size=(5, 3, 4)))
    motion = transform.Motion(turns, rng.normal(scale=100.0, size=(5, 3, 3)))
    together = rng.normal(size=(5, 400, 3))
    one_by_one = together.copy()
    transform.move(plan, motion, together)
    monkeypatch.setattr(transform, "_LONG", 10**9)
    transform.move(plan, motion, one_by_one)
    assert np.array_equal(together, one_by_one)
