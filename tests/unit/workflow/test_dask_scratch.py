"""What workers are given: the same to the last bit, and clear words when they do not see it."""

import json
import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from congruence.compute.metric import Metric
from congruence.compute.rectangle import bare_metric, one_blas_thread
from congruence.core.ensemble import Ensemble
from congruence.core.models import ModelTable
from congruence.core.placement import PlacedModels, Placement
from congruence.core.sources import ArraySource
from congruence.core.topology import Molecule, Topology
from congruence.errors import ConfigError, InputError, OutputError
from congruence.io.store import plain
from congruence.workflow import dask_scratch
from congruence.workflow.dask_scratch import (
    FileSource,
    Scratch,
    load_array,
    read_job,
    save_array,
)
from congruence.workflow.dask_words import (
    members_from,
    metric_from,
    metric_words,
    placed_from,
    share_members,
    topology_from,
    topology_words,
)

THREE = Topology.simple([Molecule("A", 0), Molecule("A", 1), Molecule("B")], beads_per_molecule=4)


@pytest.fixture
def models():
    return np.random.default_rng(0).normal(size=(9, 12, 3))


@pytest.fixture
def scratch(tmp_path):
    made = Scratch(tmp_path / "out")
    yield made
    made.remove()


def test_a_shared_array_is_read_as_it_is_and_written_once(scratch, models):
    path = scratch.share(ArraySource(models))
    assert scratch.share(ArraySource(models)) == path
    assert scratch.share(ArraySource(models.copy())) != path
    source = FileSource(path)
    assert source.shape == (9, 12, 3)
    np.testing.assert_array_equal(source.read(0, 9), models)
    np.testing.assert_array_equal(source.read(4, 6), models[4:6])
    np.testing.assert_array_equal(source.read(7, 99), models[7:])


def test_models_in_another_order_are_not_taken_for_the_array_behind_them(scratch, models):
    class Backwards(Ensemble):
        def read(self, start, stop):
            return self.coordinates[::-1][start:stop]

    there = scratch.share(Ensemble(models, THREE, _table(9)))
    assert scratch.share(ArraySource(models)) == there
    back = scratch.share(Backwards(models, THREE, _table(9)))
    np.testing.assert_array_equal(np.load(there), models)
    np.testing.assert_array_equal(np.load(back), models[::-1])


def test_what_is_lent_is_removed_unless_it_was_there(scratch, models):
    with scratch.lent(ArraySource(models)) as path:
        assert scratch.share(ArraySource(models)) == path
    assert not path.exists()
    kept = scratch.share(ArraySource(models))
    with scratch.lent(ArraySource(models)) as path:
        assert path == kept != scratch.share(ArraySource(models.copy()))
    assert kept.exists()


@pytest.mark.parametrize("placed", [True, False])
def test_members_are_read_in_part(scratch, models, placed):
    source = ArraySource(models)
    if placed:
        moved = tuple(Placement(translation=np.full(3, k)) for k in range(4))
        source = PlacedModels(source, np.array([8, 1, 3, 2]), moved)
    words = json.loads(json.dumps(share_members(scratch, source, "cluster.0")))
    m = source.shape[0]
    for start, stop in ((0, None), (1, 3)):
        part = members_from(words, start, stop)
        expected = source.read(start, m if stop is None else stop)
        assert part.shape == expected.shape
        np.testing.assert_array_equal(part.read(0, 99), expected)
        np.testing.assert_array_equal(part.read(1, 2), expected[1:2])


def test_a_source_is_shared_in_blocks(scratch, models, monkeypatch):
    monkeypatch.setattr(dask_scratch, "_BLOCK", 12 * 24 * 2)
    asked = []

    class Source:
        shape = models.shape

        def read(self, start, stop):
            asked.append((start, stop))
            return models[start:stop]

    np.testing.assert_array_equal(np.load(scratch.share(Source())), models)
    assert asked == [(0, 2), (2, 4), (4, 6), (6, 8), (8, 9)]


@pytest.mark.parametrize(
    "metric",
    [
        Metric("none"),
        Metric("superpose", measure="B", on=("A@0", "A@1"), fit_weights="none"),
        Metric("center", measure="A", weights=np.random.default_rng(1).random(12), copies="off"),
    ],
)
def test_a_metric_comes_back_from_json_to_the_last_bit(models, metric):
    bare = bare_metric(Ensemble(models, THREE, _table(9)), metric)
    again = metric_from(json.loads(json.dumps(plain(metric_words(bare)))))
    assert again.mode is bare.mode
    for name in ("measure", "on", "weights", "fit_weights"):
        one, two = getattr(bare, name), getattr(again, name)
        assert (one is None and two is None) or np.array_equal(one, two), name
    assert isinstance(bare.copies, str) == isinstance(again.copies, str)
    if not isinstance(bare.copies, str):
        assert [g.tolist() for g in bare.copies] == [g.tolist() for g in again.copies]


def _table(m):
    texts, numbers = np.array(["x"] * m, dtype=object), np.arange(m)
    return ModelTable(
        run=texts,
        replica=numbers,
        source=texts,
        row=numbers,
        step=numbers,
        rmf_file=texts,
        file=texts,
        frame=numbers,
        score=np.zeros(m),
        score_key="s",
        columns={},
    )


@pytest.mark.parametrize("relabelled", [True, False])
def test_placed_models_are_placed_alike(scratch, models, relabelled):
    rng = np.random.default_rng(2)
    groups = THREE.copy_groups() if relabelled else ()
    placements = tuple(
        Placement(
            np.linalg.qr(rng.normal(size=(3, 3)))[0],
            rng.normal(size=3),
            (((1, 0),) if k % 2 else ((0, 1),)) if relabelled else (),
        )
        for k in range(4)
    )
    placed = PlacedModels(ArraySource(models), np.array([8, 1, 3, 2]), placements, groups)
    words = json.loads(json.dumps(scratch.share_placed(placed, "cluster.0")))
    np.testing.assert_array_equal(placed_from(words).read(0, 4), placed.read(0, 4))


def test_molecules_and_residues_come_back():
    again = topology_from(json.loads(json.dumps(topology_words(THREE))))
    assert again.residues == THREE.residues
    np.testing.assert_array_equal(again.molecule_index, THREE.molecule_index)


def test_a_worker_without_the_folder_is_told_to_share_it(tmp_path, monkeypatch):
    monkeypatch.setattr(dask_scratch, "_PATIENCE", 0.0)
    with pytest.raises(InputError, match="cannot be seen on") as caught:
        read_job(str(tmp_path / "nowhere"))
    assert "same paths" in caught.value.hint


def test_a_file_that_a_network_drive_shows_late_is_waited_for(tmp_path):
    path = tmp_path / "late.npy"
    timer = threading.Timer(0.3, save_array, (path, np.arange(3)))
    timer.start()
    assert load_array(path).tolist() == [0, 1, 2]
    timer.join()


def test_another_version_on_a_worker_is_refused(scratch):
    folder = scratch.stage("distances", {"edge": 128})
    assert read_job(str(folder))["edge"] == 128
    path = folder / "job.json"
    job = json.loads(path.read_text())
    job["versions"]["congruence"] = "0.0.1"
    path.write_text(json.dumps(job))
    with pytest.raises(ConfigError, match=r"congruence .*, the job 0\.0\.1") as caught:
        read_job(str(folder))
    assert "same version" in caught.value.hint


def test_the_folder_of_a_killed_job_is_used_again_and_that_of_others_is_not(tmp_path):
    left = Scratch(tmp_path / "out")
    left.stage("distances", {})
    again = Scratch(tmp_path / "out")
    assert again.path == left.path == tmp_path / "out.dask"
    assert not (again.path / "1-distances").exists()
    again.remove()
    assert not again.path.exists()
    (tmp_path / "out.dask").mkdir()
    (tmp_path / "out.dask" / "thesis.txt").touch()
    with pytest.raises(OutputError, match="is in the way"):
        Scratch(tmp_path / "out")
    assert (tmp_path / "out.dask" / "thesis.txt").exists()


def test_what_is_no_array_of_coordinates_is_refused(tmp_path):
    save_array(tmp_path / "flat.npy", np.zeros(3))
    with pytest.raises(InputError, match="not coordinates"):
        FileSource(tmp_path / "flat.npy")
    (tmp_path / "torn.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(InputError, match=r"cannot read .*torn"):
        load_array(tmp_path / "torn.npy")
    with pytest.raises(OutputError, match="cannot write"):
        save_array(tmp_path / "no" / "folder.npy", np.zeros(3))


def test_threads_that_come_and_go_share_one_limit_of_the_matrix_library():
    def threads():
        return {i["num_threads"] for i in threadpool_info() if i["user_api"] == "blas"}

    before = threads()
    first, second = one_blas_thread(), one_blas_thread()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert threads() == {1}
    second.__exit__(None, None, None)
    assert threads() == before
