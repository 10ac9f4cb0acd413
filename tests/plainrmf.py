"""RMF files read with fastavro and a few lines of arithmetic: the tests' second opinion."""

from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import fastavro
import numpy as np

from congruence.io.rmf.schema import DATA_FIELDS, encode_record


def records(path):
    """All whole records of a file."""
    found = []
    with Path(path).open("rb") as stream, suppress(EOFError):
        found.extend(fastavro.reader(stream))
    return found


class Plain:
    """One file: merged static record, frames, and values by (category, key, type)."""

    def __init__(self, path):
        self.path = Path(path)
        statics, self.frames = [], []
        for record in records(path):
            (statics if "producer" in record["info"] else self.frames).append(record)
        self.statics = len(statics)
        first = statics[0]
        info = {k: [x for s in statics for x in s["info"][k]] for k in ("categories", "node_types", "frame_types", "node_sets")}  # fmt: skip
        info |= {
            "description": first["info"]["description"],
            "producer": first["info"]["producer"],
        }
        self.static = {
            "info": info,
            "nodes": [n for s in statics for n in s["nodes"]],
            "keys": [k for s in statics for k in s["keys"]],
            "data": {f: [b for s in statics for b in s["data"][f]] for f, _, _ in DATA_FIELDS},
        }
        categories = {c["id"]: c["name"] for c in info["categories"]}
        self.keys = {
            (k["type"], k["id"]): (categories[k["category"]], k["name"], k["type"])
            for k in self.static["keys"]
        }
        self.nodes = {n["id"]: n for n in self.static["nodes"]}

    def __len__(self):
        return len(self.frames)

    def static_record(self):
        return self.static

    def frame_payload(self, frame):
        record = self.frames[frame]
        info = {"id": 0, "name": "", "type": 1, "parents": []}
        return SimpleNamespace(
            id=record["info"]["id"],
            name=record["info"]["name"],
            type=record["info"]["type"],
            parents=(),
            body=encode_record({**record, "info": info})[5:],
        )

    def table(self, data):
        """``{(category, key, type): {node: value}}``."""
        found = {}
        for field, key_name, node_name in DATA_FIELDS:
            for block in data[field]:
                column = found.setdefault(self.keys[field[:-5].upper(), block[key_name]], {})
                column.update((v[node_name], v["value"]) for v in block["values"])
        return found

    def values(self, frame):
        """What holds in a frame: its values over the static ones."""
        merged = self.table(self.static["data"])
        for key, column in self.table(self.frames[frame]["data"]).items():
            merged[key] = {**merged.get(key, {}), **column}
        return {key: column for key, column in merged.items() if column}

    def positions(self, frame):
        """Global position of every node that has coordinates, in double precision."""
        values = self.values(frame)
        turns = values.get(("physics", "rotation", "VECTOR4"), {})
        shifts = values.get(("physics", "translation", "VECTOR3"), {})
        owners = {
            root: owner
            for owner, roots in values.get(("alternatives", "roots", "INTS"), {}).items()
            for root in roots
        }

        def frame_of(node):
            parents = self.nodes[node]["parents"]
            if not parents and node in owners:
                parents = self.nodes[owners[node]]["parents"]
            rotation, shift = frame_of(parents[0]) if parents else (np.eye(3), np.zeros(3))
            if node in turns:
                q = np.array([turns[node][a] for a in "wxyz"])
                w, x, y, z = q / np.linalg.norm(q)
                own = np.array(
                    [
                        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
                        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
                        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
                    ]
                )
                shift = rotation @ [shifts[node][a] for a in "xyz"] + shift
                rotation = rotation @ own
            return rotation, shift

        found = {}
        for node, value in values.get(("physics", "coordinates", "VECTOR3"), {}).items():
            rotation, shift = frame_of(node)
            found[node] = rotation @ [value[a] for a in "xyz"] + shift
        return found

    def beads(self, frame):
        """Leaves of the hierarchy, finest representation, in order: labels and positions."""
        values, positions = self.values(frame), self.positions(frame)
        children = {}
        for node in self.static["nodes"]:
            for parent in node["parents"]:
                if node["type"] == 1:
                    children.setdefault(parent, []).append(node["id"])
        labels = {
            name: values.get(("sequence", name, kind), {})
            for name, kind in (
                ("state index", "INT"),
                ("copy index", "INT"),
                ("chain id", "STRING"),
            )
        }
        molecules = values.get(("sequence", "molecule", "INT"), {})
        residues = values.get(("sequence", "residue indexes", "INTS"), {})
        found = []

        def walk(node, above):
            own = {name: column[node] for name, column in labels.items() if node in column}
            if node in molecules:
                own["name"] = self.nodes[node]["name"]
            label = {**above, **own}
            below = children.get(node, [])
            if not below and node in positions:
                found.append(((label, residues.get(node), self.nodes[node]["name"]), node))
            for child in below:
                walk(child, label)

        for child in children.get(0, []):
            walk(child, {})
        return [label for label, _ in found], np.array([positions[node] for _, node in found])
