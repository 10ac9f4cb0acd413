"""A simulated file, decoded without our reader, holds the planted coordinates."""

import fastavro
import numpy as np

from congruence.simulate import Sampling, Simulation, simulate_runs, small_system


def vectors(record, field, names):
    """Values of one typed section: {key id: {node: tuple}}."""
    return {
        block["key"]: {v["id"]: tuple(v["value"][k] for k in names) for v in block["values"]}
        for block in record["data"][field]
    }


def turned(q, v):
    """Rotate by a quaternion: v + 2 w (u x v) + 2 u x (u x v)."""
    w, u = q[0], np.array(q[1:])
    return v + 2 * w * np.cross(u, v) + 2 * np.cross(u, np.cross(u, v))


def test_quaternion_and_translation_give_the_planted_coordinates(tmp_path):
    system = small_system(residues_per_subunit=20)
    sampling = Sampling(models=16, runs=1, replicas=2, tumble=True, swaps=0.5, seed=3)
    simulate_runs(tmp_path / "out", sampling, system=system)
    with (tmp_path / "out/run1/output/rmfs/1.rmf3").open("rb") as stream:
        records = list(fastavro.reader(stream))
    static, frames = records[0], [r for r in records if "producer" not in r["info"]]
    categories = {c["id"]: c["name"] for c in static["info"]["categories"]}
    keys = {
        (categories[k["category"]], k["name"]): k["id"]
        for k in static["keys"]
        if k["type"] in ("VECTOR3", "VECTOR4", "INT", "INTS")
    }
    parents = {n["id"]: (n["parents"] or [None])[0] for n in static["nodes"]}
    names = {n["id"]: n["name"] for n in static["nodes"]}
    spheres = vectors(static, "vector3_data", "xyz")
    local = spheres[keys["physics", "coordinates"]]
    colours = spheres[keys["shape", "rgb color"]]
    # the finest beads are the coloured leaves that hang below the root of the file
    leaves = [
        n for n in colours
        if n not in parents.values() and parents[n] is not None and parents[parents[n]] is not None
    ]  # fmt: skip
    expected = Simulation(sampling, system).read(8, 16)
    assert len(leaves) == expected.shape[1]
    assert [names[n] for n in sorted(leaves)] == list(system.topology.bead_name)
    assert len(frames) == 8
    for frame, planted in zip(frames, expected, strict=True):
        moving = vectors(frame, "vector3_data", "xyz")
        turns = vectors(frame, "vector4_data", "wxyz")[keys["physics", "rotation"]]
        shifts = moving[keys["physics", "translation"]]
        places = {**local, **moving[keys["physics", "coordinates"]]}
        found = []
        for node in sorted(leaves):
            x, wrapper = np.array(places[node]), parents[node]
            found.append(turned(turns[wrapper], x) + shifts[wrapper] if wrapper in turns else x)
        assert np.abs(np.array(found) - planted).max() < 1e-4


def test_the_file_has_a_late_static_record_with_a_new_feature(tmp_path):
    simulate_runs(tmp_path / "out", models=8, runs=1, replicas=1)
    with (tmp_path / "out/run1/output/rmfs/0.rmf3").open("rb") as stream:
        records = list(fastavro.reader(stream))
    kinds = ["S" if "producer" in r["info"] else "F" for r in records]
    assert "".join(kinds) == "SFFFFSFFFF"
    (node,) = records[5]["nodes"]
    assert (node["type"], node["id"]) == (3, len(records[0]["nodes"]))
    scored = [
        {v["id"] for v in r["data"]["float_data"][0]["values"]}
        for r in records[1:]
        if "id" in r["info"]
    ]
    assert [node["id"] in s for s in scored] == [False] * 4 + [True] * 4
