"""What a recorded clustering run of the reference says of its clusters, and their coordinates."""

import ast
import functools
import json
from dataclasses import dataclass

import numpy as np
from sharedpaths import DATA, GOLDEN

from congruence.core.selection import from_pmi
from congruence.io.rmf import open_rmf

# The record names files by where they once lay.
MOVED = {
    "pmi/test/input/output_test_rmf": "rpb47_scores_in_rmf/output_test_rmf",
    "pmi/test/input/output_test": "rpb47/output_test",
    "pmi/test/input/pmi2_sample": "residue_beads/pmi2_sample",
    "imp-sampcon/test/input/modeling": "threshold_runs",
    "output_test/": "rpb47/output_test/",
}


@dataclass(frozen=True)
class Cluster:
    """Members in rank order, where the reference put them (None: as they are)."""

    folder: object
    files: tuple
    frames: tuple
    transforms: tuple = ()
    align: tuple = ()


@functools.cache
def opened(path):
    return open_rmf(path)


def resolved(name):
    for old, new in MOVED.items():
        if name.startswith(old):
            return DATA / (new + name[len(old) :])
    return DATA / name


@functools.cache
def record(run):
    return json.loads((GOLDEN / "clustering" / run / "record.json").read_text())


def recorded_cluster(run, number):
    """Read a cluster from record.json: labels, and transforms where they are recorded."""
    d = record(run)
    label = d["cluster_labels_order"][number]
    members = [i for i, k in enumerate(d["kmeans_labels"]) if k == label]
    names = [d["model_list_names_in_rank_order"][i].rsplit("|", 1) for i in members]
    align = d["clustering_kwargs"].get("alignment_components") or {}
    known = d.get("transformations_quat_trans", {})
    pairs = [known.get(f"{members[0]},{i}") for i in members[1:]] if align else []
    transforms = tuple((tuple(p[0]), tuple(p[1])) if p else () for p in pairs)
    return Cluster(
        GOLDEN / "clustering" / run / "out" / f"cluster.{number}",
        tuple(resolved(f) for f, _ in names),
        tuple(int(k) for _, k in names),
        transforms if all(transforms) else (),
        tuple(align) if not all(transforms) else (),
    )


def listed_cluster(folder, stat, align):
    """Read a cluster from its stat file; its transforms are fitted to the named molecules."""
    rows = [ast.literal_eval(line) for line in (folder / stat).read_text().splitlines()]
    files = tuple(resolved(r.get("rmf_file_full_path", r["rmf_file"])) for r in rows)
    return Cluster(folder, files, tuple(r["rmf_frame_index"] for r in rows), (), align)


def rotation(q):
    w, x, y, z = q
    return np.array(
        [
            [w * w + x * x - y * y - z * z, 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), w * w - x * x + y * y - z * z, 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), w * w - x * x - y * y + z * z],
        ]
    )


def fitted(fixed, moving):
    """Superpose without weights (Kabsch)."""
    here, there = fixed.mean(axis=0), moving.mean(axis=0)
    u, _, vt = np.linalg.svd((moving - there).T @ (fixed - here))
    turn = (u @ np.diag([1, 1, np.sign(np.linalg.det(u @ vt))]) @ vt).T
    return turn, here - turn @ there


def moved(points, turn, shift):
    """Sum from left to right: the order that gives the reference's bits."""
    x, y, z = points.T
    rows = [turn[r, 0] * x + turn[r, 1] * y + turn[r, 2] * z + shift[r] for r in range(3)]
    return np.stack(rows, axis=1)


@functools.cache
def placed(cluster):
    """Return the finest beads and their coordinates (m,n,3) as the reference placed them."""
    topology = opened(cluster.files[0]).topology(0)
    models, fixed = [], None
    for i, (path, frame) in enumerate(zip(cluster.files, cluster.frames, strict=True)):
        points = opened(path).coordinates([frame], 0)[0]
        if cluster.transforms and i:
            q, t = cluster.transforms[i - 1]
            points = moved(points, rotation(q), t)
        if cluster.align:
            coarse = opened(path).topology(1)
            chosen = from_pmi(list(cluster.align)).mask(coarse)
            at = opened(path).coordinates([frame], 1)[0][chosen]
            if fixed is None:
                fixed = at
            else:
                points = moved(points, *fitted(fixed, at))
        models.append(points)
    return topology, np.stack(models)
