"""How work is divided into tasks: of lists of estimates, and of the steps of jobs by their sizes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from congruence.compute.metric import Metric
from congruence.compute.rectangle import pair_seconds
from congruence.core.grid import Grid
from congruence.workflow import dask_steps
from congruence.workflow.dask_engine import task_edge
from congruence.workflow.dask_map_plan import MapPlan
from congruence.workflow.dask_moves import MovesPlan, _small_calls
from congruence.workflow.dask_portions import AIM, divided, more, together
from congruence.workflow.dask_squares import TilePlan

SHORTEST, LONGEST = 0.2, 2.0


def sums(tasks, seconds):
    return [sum(seconds[k] for k in task) for task in tasks]


# ---------------------------------------------------------------- pieces


@pytest.mark.parametrize(
    ("seconds", "tasks"),
    [
        ([], []),
        ([0.01], [[0]]),
        ([5.0], [[0]]),
        ([0.25] * 6, [[0, 1, 2], [3, 4, 5]]),
        ([0.7, 0.7, 0.7], [[0], [1], [2]]),
        ([0.7, 0.7, 0.05], [[0], [1, 2]]),  # what is left is joined to the last
        ([0.05, 0.7, 0.7], [[0, 1], [2]]),
        ([0.05, 3.0, 0.05], [[0], [1], [2]]),  # no task is made longer that is long
    ],
)
def test_neighbours_are_joined_into_even_tasks(seconds, tasks):
    assert [list(task) for task in together(seconds)] == tasks


@settings(max_examples=300, deadline=None)
@given(st.lists(st.floats(0.0, 1.0), max_size=60))
def test_tasks_are_neither_short_nor_long(seconds):
    tasks = together(seconds)
    assert [k for task in tasks for k in task] == list(range(len(seconds)))
    lengths = sums(tasks, seconds)
    assert max(lengths, default=0.0) < LONGEST
    assert all(length > SHORTEST for length in lengths) or sum(seconds) < 2 * SHORTEST


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.integers(0, 50), max_size=20),
    st.integers(1, 60),
    st.integers(min_value=1, max_value=9),
)
def test_rows_are_divided_evenly(sizes, aim, least):
    tasks = divided(sizes, aim, least)
    rows = [(piece, row) for task in tasks for piece, a, b in task for row in range(a, b)]
    assert rows == [(piece, row) for piece, size in enumerate(sizes) for row in range(size)]
    counts = [sum(b - a for _, a, b in task) for task in tasks]
    assert max(counts, default=0) - min(counts, default=0) <= 1
    if counts:
        assert len(counts) == min(sum(sizes), max(least, 1, round(sum(sizes) / aim)))


def test_a_task_is_named_by_the_first_of_what_it_does():
    assert more("grid-cluster.0-0", 1) == "grid-cluster.0-0"
    assert more("grid-cluster.0-0", 3) == "grid-cluster.0-0-and-2-more"


# ---------------------------------------------------------------- steps


def check(lengths, whole):
    """All but one task at most are between a fifth of a second and two."""
    assert max(lengths) < LONGEST
    if whole > SHORTEST:
        assert sum(length < SHORTEST for length in lengths) <= 1


@settings(max_examples=60, deadline=None)
@given(
    m=st.integers(1, 12_000),
    n=st.integers(3, 2500),
    mode=st.sampled_from(["none", "center", "superpose"]),
    edge=st.sampled_from([128, 384, 1024]),
    apart=st.booleans(),
    skipped=st.integers(0, 3),
)
def test_squares_of_a_matrix_are_joined_into_tasks(m, n, mode, edge, apart, skipped):
    models = np.broadcast_to(0.0, (m, n, 3))
    metric = Metric(mode, on=np.arange(max(1, n // 3)) if apart and mode != "none" else None)
    done = {(0, edge * k) for k in range(skipped)}
    plan = TilePlan(m, edge, task_edge(models, metric, edge), frozenset(done))
    pair, beads = pair_seconds(models, metric)
    tasks = plan.tasks(pair, beads, AIM)
    squares = [square for needed, _ in plan.bands for square in needed]
    assert [square for task in tasks for square in task] == squares
    if squares:
        lengths = [sum(plan.seconds(s, pair, beads) for s in task) for task in tasks]
        check(lengths, sum(lengths))


def map_plan(models, n, selections, grid, job, cluster=0):
    words = {"selections": {k: np.arange(b) for k, b in enumerate(selections)}, "models": job}
    return [
        MapPlan(None, words, cluster, name, f"cluster.{cluster}-{name}", grid, (models, n, 3))
        for name in words["selections"]
    ]


@settings(max_examples=60, deadline=None)
@given(
    models=st.lists(st.integers(1, 20_000), min_size=1, max_size=12),
    n=st.integers(3, 3000),
    share=st.lists(st.floats(0.01, 1.0), min_size=1, max_size=8),
    voxels=st.integers(20, 140),
)
def test_maps_are_joined_into_tasks(models, n, share, voxels):
    grid, job = Grid((0.0, 0.0, 0.0), (voxels,) * 3, 5.0), sum(models)
    chosen = [max(1, int(s * n)) for s in share]
    plan = [p for at, m in enumerate(models) for p in map_plan(m, n, chosen, grid, job, at)]
    last = [p.last_seconds for p in plan]
    check(sums(together(last), last), sum(last))
    for p in plan:
        assert p.stretches[0][0] == 0
        assert p.stretches[-1][1] == p.shape[0]
        if len(p.stretches) > 1:
            seconds = [p.seconds(s) for s in p.stretches]
            check(sums(together(seconds), seconds), sum(seconds))


def test_maps_of_one_stretch_are_made_at_once_and_small_sums_by_the_map(tmp_path):
    grid = Grid((0.0, 0.0, 0.0), (40, 40, 40), 5.0)
    (small,) = map_plan(100, 100, [100], grid, 5000)
    assert not small.summed().calls
    (one,) = map_plan(20_000, 1600, [1600], grid, 20_000)
    one = MapPlan(
        tmp_path, *(getattr(one, k) for k in ("job", "cluster", "name", "title", "grid", "shape"))
    )
    summed = one.summed()
    assert {call.name.split("-cluster")[0] for call in summed.calls} == {"density-part"}
    assert summed.after == tuple(call.name for call in summed.calls)
    assert len(summed.parts) == len(one.stretches) > 3
    assert not summed.slabs


def test_sums_of_large_grids_are_tasks_of_their_own(tmp_path):
    grid = Grid((0.0, 0.0, 0.0), (300, 300, 300), 1.0)
    words = {"selections": {"all": np.arange(3000)}, "models": 300_000}
    one = MapPlan(tmp_path, words, 0, "all", "cluster.0-all", grid, (300_000, 3000, 3))
    summed = one.summed()
    added = [call for call in summed.calls if call.name.startswith("density-sum")]
    assert len(added) > len(summed.slabs) > 0
    assert not summed.parts
    assert summed.after == tuple(call.name for call in added[-len(summed.slabs) :])
    waiting = {name for call in summed.calls for name in call.after} | set(summed.after)
    assert waiting == {call.name for call in summed.calls}
    names = [call.name for call in summed.calls]
    for call in summed.calls:  # each after those that it waits for, which know of it
        assert all(names.index(name) < names.index(call.name) for name in call.after)
        followers = sum(call.name in other.after for other in summed.calls)
        assert call.followers == followers + (call.name in summed.after)
    # Each added stretch is added once, by planes that cover the grid.
    planes = [(call.words[3], call.words[4]) for call in added[: len(summed.slabs)]]
    assert [low for low, _ in planes] == [0, *(high for _, high in planes[:-1])]
    assert planes[-1][1] == 300
    first = [path for call in added if call.words[3] == 0 for path in call.words[2]]
    assert len(first) == len(set(first)) == len(one.stretches)


@settings(max_examples=60, deadline=None)
@given(frames=st.lists(st.integers(1, 4000), min_size=1, max_size=40), beads=st.integers(1, 20_000))
def test_files_are_joined_into_tasks(frames, beads):
    files = [(f"/{k}", list(range(count))) for k, count in enumerate(frames)]
    tasks = dask_steps._pieces(files, 3 * beads)
    read = [(path, frame) for _, pieces in tasks for path, some in pieces for frame in some]
    assert read == [(path, frame) for path, some in files for frame in some]
    costs = [sum(len(some) * 3 * beads * 3e-8 + 0.004 for _, some in pieces) for _, pieces in tasks]
    check(costs, sum(costs))


@settings(max_examples=60, deadline=None)
@given(sizes=st.lists(st.integers(1, 3000), min_size=1, max_size=40), n=st.integers(3, 3000))
def test_small_clusters_are_joined_into_tasks(sizes, n):
    class Some:
        def __init__(self, m):
            self.shape = (m, n, 3)

    sets = [(f"cluster.{k}", Some(m), 0) for k, m in enumerate(sizes)]
    small = [at for at, m in enumerate(sizes) if MovesPlan((m, n, 3)).whole]
    calls = _small_calls("/folder", sets, small)
    assert [at for _, (_, task, _) in calls for at in task] == small
    lengths = []
    for _, (_, task, rounds) in calls:
        plans = [MovesPlan((sizes[at], n, 3)) for at in task]
        lengths.append(sum(plan.total(6) for plan in plans))  # a mean mostly takes few rounds
        assert rounds >= 12
        assert sum(plan.total(min(rounds, 100)) for plan in plans) < LONGEST + 0.1
    if lengths:
        check(lengths, sum(lengths))


@pytest.mark.parametrize("edge", [40, 200])
@pytest.mark.parametrize("models", [4500, 60_000, 300_000])
def test_what_ends_a_map_is_no_moment_but_sums_the_last_stretches_too(tmp_path, edge, models):
    grid = Grid((0.0, 0.0, 0.0), (edge,) * 3, 1.0)
    words = {"selections": {"all": np.arange(3000)}, "models": models}
    one = MapPlan(tmp_path, words, 0, "all", "cluster.0-all", grid, (models, 3000, 3))
    usual, short = one.summed(), one.summed(short=True)
    seconds = sum(map(one.seconds, short.own))
    assert not usual.own
    assert len(one.stretches) == 1 or 0.2 < seconds + one.last_seconds < 2.5
    parts = [s for call in short.calls if "part" in call.name for s in call.words[-1]]
    assert [*parts, *short.own] == (one.stretches if len(one.stretches) > 1 else [])
    assert bool(short.slabs) == bool(usual.slabs)


def test_maps_of_which_little_is_left_end_with_their_last_stretches(tmp_path):
    from congruence.workflow.dask_maps import _calls

    words = {"selections": {"all": np.arange(1600), "few": np.arange(9)}, "models": 20_000}
    for edge, joined in ((40, True), (200, False)):
        grid = Grid((0.0, 0.0, 0.0), (edge,) * 3, 5.0)
        maps = [
            MapPlan(tmp_path, words, 0, name, f"cluster.0-{name}", grid, (20_000, 1600, 3))
            for name in ("few", "all")
        ]
        *_, last = _calls(maps)
        few, every = last.words[-1]
        assert not few["own"]
        assert bool(every["own"]) is joined
        assert len(every["parts"]) + len(every["own"]) == len(maps[1].stretches)
