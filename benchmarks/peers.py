"""
RMSD matrices beside MDAnalysis and scipy, as their users call them.

MDAnalysis: `diffusionmap.DistanceMatrix` of a universe in memory, whose distance is
`rms.rmsd`, superposed (QCP in C, called for each pair) and as it is by default; and
the QCP function alone in a bare loop over pairs, centred before. All are timed on a
part of the models and counted by unique pairs. scipy's `pdist` computes all pairs as
they are. Ours and the peers' distances are checked to agree.
"""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec
from itertools import combinations

import numpy as np

from benchmarks.measure import Job, Row, Spent, interleaved, using
from benchmarks.rmsd import made_models, scipy_pairs
from congruence.compute.rmsd import rmsd_matrix


def matrix_of_universe(models: np.ndarray, *, superposed: bool) -> np.ndarray:
    """Return the square matrix that MDAnalysis computes of models in memory."""
    import MDAnalysis
    from MDAnalysis.analysis.diffusionmap import DistanceMatrix
    from MDAnalysis.analysis.rms import rmsd
    from MDAnalysis.coordinates.memory import MemoryReader

    universe = MDAnalysis.Universe.empty(models.shape[1], trajectory=True)
    universe.load_new(models.astype(np.float32), format=MemoryReader)
    metric = partial(rmsd, superposition=True) if superposed else rmsd
    return DistanceMatrix(universe, metric=metric).run().results.dist_matrix


def bare_loop(models: np.ndarray) -> np.ndarray:
    """Call the QCP function of MDAnalysis for each pair of centred models."""
    from MDAnalysis.lib import qcprot

    qcp, n = qcprot.CalcRMSDRotationalMatrix, models.shape[1]
    centred = np.ascontiguousarray(models - models.mean(axis=1, keepdims=True))
    return np.array([qcp(a, b, n, None, None) for a, b in combinations(centred, 2)])


def _checked(models: np.ndarray) -> None:
    for alignment in ("superpose", "none"):
        ours = rmsd_matrix(models, alignment=alignment).condensed
        theirs = matrix_of_universe(models, superposed=alignment == "superpose")
        assert np.abs(theirs[np.triu_indices(len(models), 1)] - ours).max() < 1e-3
    theirs = bare_loop(models)
    assert np.abs(theirs - rmsd_matrix(models, alignment="superpose").condensed).max() < 1e-6


def rows(quick: bool) -> list[Row]:
    """Measure both alignments in both precisions beside the peers."""
    m, n, few, repeats = (20, 10, 6, 1) if quick else (2000, 1000, 100, 3)
    models = made_models(m, n)
    part = models[:few]
    has_mdanalysis = find_spec("MDAnalysis") is not None
    if has_mdanalysis:
        _checked(part[:10])
    if not quick:
        using("numba", partial(rmsd_matrix, models[:2], alignment="superpose"))
    ours = {
        f"{word}, {precision}": Job(
            partial(rmsd_matrix, models, alignment=alignment, precision=precision)
        )
        for alignment, word in (("superpose", "superposed"), ("none", "not superposed"))
        for precision in ("double", "mixed")
    }
    of_part = {
        "MDAnalysis DistanceMatrix": partial(matrix_of_universe, part, superposed=True),
        "MDAnalysis qcprot loop": partial(bare_loop, part),
        "MDAnalysis DistanceMatrix, as it is": partial(matrix_of_universe, part, superposed=False),
    }
    peers = {name: Job(job) for name, job in of_part.items() if has_mdanalysis}
    peers["scipy pdist"] = Job(partial(scipy_pairs, models))
    spent = interleaved(ours | peers, repeats)
    pairs = m * (m - 1) / 2
    share = pairs / (few * (few - 1) / 2)
    out = []
    for name in ours:
        superposed = name.startswith("superposed")
        for peer in peers:
            if superposed != (peer in [*of_part][:2]):
                continue
            whole = spent[peer].times(1.0 if peer.startswith("scipy") else share)
            out.append(_row(name, spent[name], peer, whole, pairs, f"{m} x {n}"))
    return out


def _row(name: str, ours: Spent, peer: str, theirs: Spent, pairs: float, size: str) -> Row:
    each = [f"{spent.cpu / pairs * 1e9:,.0f}" for spent in (ours, theirs)]
    note = f"{size}; CPU ns per unique pair: {each[0]}, {peer.partition(' ')[0]} {each[1]}"
    return Row(f"RMSD matrix, {name}", ours, peer, theirs, note)
