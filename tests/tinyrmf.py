"""Small RMF3 files made by hand, for tests that must run without the shared data."""

import zlib

from congruence.io.rmf.schema import empty_data, encode_record, schema_json

SYNC = b"a sync marker 16"

REPRESENTATION, FEATURE, PROVENANCE = 1, 3, 9


def long(value):
    value = (value << 1) ^ (value >> 63)
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def blob(data):
    return long(len(data)) + data


FIELDS = {
    "i": "int_data", "f": "float_data", "s": "string_data", "v3": "vector3_data",
    "v4": "vector4_data", "I": "ints_data", "F": "floats_data", "S": "strings_data",
    "V3": "vector3s_data",
}  # fmt: skip
NAMES = {
    "i": "INT", "f": "FLOAT", "s": "STRING", "v3": "VECTOR3", "v4": "VECTOR4", "I": "INTS",
    "F": "FLOATS", "S": "STRINGS", "V3": "VECTOR3S",
}  # fmt: skip


class Tiny:
    """Nodes, static values and frames; values are {"category/key/type": {node: value}}."""

    def __init__(self):
        self.categories = {}
        self.keys = {}
        self.records = []

    def _key(self, text):
        category, name, kind = text.rsplit("/", 2)
        number = self.categories.setdefault(category, len(self.categories))
        same = [k for k in self.keys.values() if k["type"] == NAMES[kind]]
        key = {"id": len(same), "name": name, "category": number, "type": NAMES[kind]}
        return self.keys.setdefault(text, key)["id"], kind

    def data(self, values):
        data = empty_data()
        for text, by_node in values.items():
            key, kind = self._key(text)
            wide = {"v3": "xyz", "v4": "wxyz"}.get(kind)
            node_name = "key" if kind == "I" else "id"
            key_name = "id" if kind in "FS" else "key"
            rows = [
                {node_name: n, "value": dict(zip(wide, v, strict=True)) if wide else v}
                for n, v in by_node.items()
            ]
            data[FIELDS[kind]].append({key_name: key, "values": rows})
        return data

    def static(self, nodes, values, description="", producer="test"):
        data = self.data(values)
        self.records.append(
            {
                "info": {
                    "description": description,
                    "producer": producer,
                    "categories": [{"id": i, "name": n} for n, i in self.categories.items()],
                    "node_types": [],
                    "frame_types": [],
                    "node_sets": [],
                },
                "nodes": [
                    {"id": i, "name": n, "type": t, "parents": list(p)} for i, n, t, p in nodes
                ],
                "keys": list(self.keys.values()),
                "data": data,
            }
        )
        return self

    def frame(self, values, number=None, name=""):
        if number is None:
            number = sum("id" in r["info"] for r in self.records)
        data = self.data(values)
        # keys that only frames use are declared by the first static record
        self.records[0]["keys"] = list(self.keys.values())
        self.records[0]["info"]["categories"] = [
            {"id": i, "name": n} for n, i in self.categories.items()
        ]
        info = {"id": number, "name": name, "type": 1, "parents": []}
        self.records.append({"info": info, "nodes": [], "keys": [], "data": data})
        return self

    def blocks(self, per_block=1, codec="null"):
        encoded = [encode_record(r) for r in self.records]
        for start in range(0, len(encoded), per_block):
            part = encoded[start : start + per_block]
            payload = b"".join(part)
            if codec == "deflate":
                squeeze = zlib.compressobj(wbits=-15)
                payload = squeeze.compress(payload) + squeeze.flush()
            yield long(len(part)) + blob(payload) + SYNC

    def bytes(self, per_block=1, codec="null", closed=True):
        out = header(codec) + b"".join(self.blocks(per_block, codec))
        return out + (b"\0\0" + SYNC if closed else b"")

    def write(self, path, **how):
        path.write_bytes(self.bytes(**how))
        return path


def header(codec="null", schema=None):
    meta = {b"avro.codec": codec.encode(), b"avro.schema": schema or schema_json()}
    items = b"".join(blob(k) + blob(v) for k, v in meta.items())
    return b"Obj\x01" + long(len(meta)) + items + long(0) + SYNC


QUARTER = (0.5**0.5, 0.0, 0.0, 0.5**0.5)
"""A quarter turn about z."""

NODES = [
    (0, "root", 0, ()),
    (1, "System", 1, (0,)),
    (2, "State_0", 1, (1,)),
    (3, "A", 1, (2,)),
    (4, "Frag", 1, (3,)),  # owns the frame of reference and the alternatives
    (5, "1", 1, (4,)),
    (6, "2", 1, (4,)),
    (7, "coarse", 1, ()),  # alternative of 4
    (8, "Fragment [1-3)", 1, (7,)),
    (9, "dens", 1, ()),  # Gaussian alternative of 4
    (10, "gauss", 1, (9,)),
    (11, "A", 1, (2,)),
    (12, "loose", 1, (11,)),
    (13, "Score", 3, (0,)),
    (14, "sampling", 9, (1,)),
    (15, "script", 9, (14,)),
    (16, "Score", 3, (0,)),
    (17, "term", 3, (13,)),
]

STATIC = {
    "sequence/state index/i": {2: 0},
    "sequence/molecule/i": {3: 1, 11: 1},
    "sequence/copy index/i": {3: 0, 11: 1},
    "sequence/residue index/i": {5: 1, 6: 2},
    "sequence/chain id/s": {3: "A", 11: "B"},
    "sequence/sequence/s": {3: "MG"},
    "sequence/residue type/s": {5: "MET", 6: "GLY"},
    "sequence/explicit resolution/f": {4: 1.0, 7: 10.0, 9: 10.0},
    "sequence/residue indexes/I": {8: [1, 2], 10: [1, 2], 12: [3, 4, 5]},
    "alternatives/types/I": {4: [0, 1]},
    "alternatives/roots/I": {4: [7, 9]},
    "physics/radius/f": {5: 2.0, 6: 2.5, 8: 4.0, 10: 4.5, 12: 5.0},
    "physics/mass/f": {5: 100.0, 6: 110.0, 8: 210.0, 10: 211.0, 12: 330.0},
    "physics/coordinates/v3": {5: (1, 0, 0), 6: (0, 2, 0), 8: (7, 8, 9), 10: (0, 0, 0)},
    "physics/variances/v3": {10: (4, 9, 16)},
    "feature/representation/I": {13: [5, 12]},
    "IMP/weight/f": {13: 2.0},
    "IMP restraint/type/s": {13: "Test"},
    "provenance/sampling frames/i": {14: 3},
    "provenance/sampling method/s": {14: "Monte Carlo"},
    "provenance/script filename/s": {15: "run.py"},
    "stat/Total/s": {0: "1.5"},
    "stat/step/i": {0: 0},
    "stat/energy/f": {0: 0.5},
}


def tiny_frames(count=3):
    """Frame k: body turned by a quarter about z and moved to x = 10 k; loose bead at y = k."""
    file = Tiny().static(NODES, STATIC)
    for k in range(count):
        values = {
            "physics/coordinates/v3": {12: (0, k, 0)},
            "physics/translation/v3": {4: (10 * k, 0, 0), 10: (1, 0, 0)},
            "physics/rotation/v4": {4: QUARTER, 10: QUARTER},
            "feature/score/f": {13: k + 0.5} if k != 1 else {},
        }
        if k:
            values["stat/step/i"] = {0: k}
            values["stat/Total/s"] = {0: f"{k}.25"}
        if k == 2:
            values["stat/energy/f"] = {0: 2.5}
        file.frame(values)
    return file
