"""The files that say how precise clusters are."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from congruence.core.provenance import versions

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from congruence.core.precision import Interval, Precision
    from congruence.core.topology import Topology
    from congruence.typing import FloatArray, IntArray
    from congruence.workflow.precision_report import PrecisionReport, SetReport

__all__ = ["precision_data", "write_report", "write_run_record"]

_CONVENTION = (
    "The B-factor column holds the RMSF of the bead in A (root mean square distance to its mean "
    "position), not B = 8 pi^2 / 3 RMSF^2, which has no room for an RMSF above 6 A."
)

_DRAWN = 16
"""Clusters whose fluctuation a quick job draws: a figure takes longer than its numbers."""
_NOT_DRAWN = "drawn of the 16 largest clusters to stay quick; 'congruence precision' draws all"


def precision_data(report: PrecisionReport) -> dict[str, Any]:
    """
    Describe precision as plain data.

    Parameters
    ----------
    report : PrecisionReport
        What was found.

    Returns
    -------
    data : dict
        What ``precision.json`` holds.
    """
    options = report.options
    return {
        "unit": "Å",
        "style": options.style,
        "compared": report.spread.words(),
        "main_selection": report.main,
        "selections": {name: {"beads": len(beads)} for name, beads in report.beads.items()},
        "intervals": "95 %, from resampling whole runs",
        "patches": {"high_precision_at_most": options.high, "low_precision_at_least": options.low},
        "within": [_set_data(r) for r in report.sets],
        "between": [
            {
                "first": report.sets[i].members.name,
                "second": report.sets[j].members.name,
                "selections": {name: asdict(s) for name, s in found.items()},
            }
            for (i, j), found in report.between.items()
        ],
    }


def _set_data(report: SetReport) -> dict[str, Any]:
    members = report.members
    file, frame = members.frames[report.center]
    return {
        "cluster": members.name,
        "models": len(members),
        "center": {"member": report.center, "file": file, "frame": frame},
        "selections": {
            name: _precision_data(p) | _sampled(p, len(members))
            for name, p in report.precision.items()
        },
        "left_out": report.skipped,
        "rmsf": {
            "mean": float(report.fluctuation.rmsf.mean()),
            "largest": float(report.fluctuation.rmsf.max()),
            "rigid_beads": int(report.fluctuation.rigid.sum()),
            "molecules": _molecule_rmsf(report),
        },
        "patches": [asdict(p) for p in report.patches],
    }


def _molecule_rmsf(report: SetReport) -> dict[str, float]:
    """Root mean square of the RMSF over the residues of each molecule."""
    topology, rmsf = report.members.topology, report.fluctuation.rmsf
    found = {}
    for m in dict.fromkeys(topology.molecule_index.tolist()):
        mine = topology.molecule_index == m
        weights = topology.residue_counts[mine]
        mean = np.average(rmsf[mine] ** 2, weights=weights)
        found[str(topology.molecules[m])] = float(np.sqrt(mean))
    return found


def _sampled(found: Precision, members: int) -> dict[str, int]:
    return {"from_members": found.models} if found.models < members else {}


def _precision_data(found: Precision) -> dict[str, Any]:
    return {
        "average_pairwise": found.pairwise,
        "average_pairwise_interval": _ends(found.pairwise_interval),
        "average_to_center": found.to_center,
        "average_to_center_interval": _ends(found.to_center_interval),
        "median_to_center": found.median_to_center,
        "max_to_center": found.max_to_center,
        "center": found.center,
        "no_interval": found.no_interval,
        "compat": asdict(found.compat),
    }


def _ends(interval: Interval | None) -> list[float] | None:
    return None if interval is None else [interval.low, interval.high]


def write_report(
    report: PrecisionReport, out: Path, folders: Sequence[Path], *, brief: bool
) -> None:
    """
    Write precision and fluctuation.

    Parameters
    ----------
    report : PrecisionReport
        What was found.
    out : Path
        Folder of ``precision.json``, and of ``precision.I.J.out``.
    folders : sequence of Path
        Folder of each cluster, for ``rmsf.csv``, figure and center.
    brief : bool
        Leave out the files in the reference's format, and the figures of all but
        the 16 first clusters.
    """
    from congruence.io.store import write_json

    drawn = _DRAWN if brief else len(folders)
    data = precision_data(report)
    for entry in data["within"][drawn:]:
        entry["left_out"] = {**entry["left_out"], "rmsf.png": _NOT_DRAWN}
    write_json(out / "precision.json", data)
    for at, (found, folder) in enumerate(zip(report.sets, folders, strict=True)):
        _write_rmsf_table(found, folder)
        if at < drawn:
            _write_figure(report, found, folder, brief=brief)
        _write_center(report, found, folder)
        if not brief:
            _write_rmsf_reference(found, folder)
    if not brief:
        _write_reference(report, out)


def _write_rmsf_table(found: SetReport, folder: Path) -> None:
    from congruence.io.store import write_csv

    topology, moved = found.members.topology, found.fluctuation
    kinds = _patch_kinds(found)
    header = ["bead", "molecule", "copy", "state", "first_residue", "last_residue"]
    header += ["rmsf", "compat", "rigid", "precision"]
    rows = []
    for i, m in enumerate(topology.molecule_index.tolist()):
        molecule, numbers = topology.molecules[m], topology.residues[i]
        rows.append(
            [
                *(i, molecule.name, molecule.copy, molecule.state),
                *((min(numbers), max(numbers)) if numbers else ("", "")),
                *(repr(float(moved.rmsf[i])), repr(float(moved.compat[i]))),
                *("yes" if moved.rigid[i] else "no", kinds[i]),
            ]
        )
    write_csv(folder / "rmsf.csv", header, rows)


def _patch_kinds(found: SetReport) -> list[str]:
    topology = found.members.topology
    kinds = [""] * len(topology)
    by_molecule: dict[str, list[Any]] = {}
    for patch in found.patches:
        by_molecule.setdefault(patch.molecule, []).append(patch)
    names = [str(m) for m in topology.molecules]
    for i, m in enumerate(topology.molecule_index.tolist()):
        for patch in by_molecule.get(names[m], ()):
            if topology.residues[i] and patch.first <= topology.residues[i][0] <= patch.last:
                kinds[i] = patch.kind
    return kinds


def _write_figure(report: PrecisionReport, found: SetReport, folder: Path, *, brief: bool) -> None:
    from congruence.plots.fluctuation import fluctuation_data, plot_fluctuation
    from congruence.plots.style import house, save_figure

    words = "; ".join(f"{k}: {v}" for k, v in report.spread.words().items())
    figure = plot_fluctuation(
        fluctuation_data(found.fluctuation, found.members.topology),
        title=f"{found.members.name}: {len(found.members)} models",
        words=f"{words[0].upper()}{words[1:]}.",
        thresholds=(report.options.high, report.options.low),
    )
    if not brief:
        save_figure(figure, folder / "rmsf")
        return
    # Quick: a PDF takes longer than all that is computed for it.
    with house():
        figure.savefig(folder / "rmsf.png", dpi=110, metadata={"Software": None})


def _write_center(report: PrecisionReport, found: SetReport, folder: Path) -> None:
    from congruence.io.cif import write_cif
    from congruence.io.pdb import pdb_fits, write_pdb

    topology, rmsf = found.members.topology, found.fluctuation.rmsf
    points = found.members.member(found.center)
    title = f"center of {found.members.name}"
    words = "; ".join(f"{k}: {v}" for k, v in report.spread.words().items())
    notes = (_CONVENTION, words)
    write = write_cif if pdb_fits(topology, points) else write_pdb
    path = folder / ("center.cif" if write is write_cif else "center.pdb")
    write(path, points, topology, b_factors=rmsf, title=title, remarks=notes)
    _color_center(found, folder)


def _color_center(found: SetReport, folder: Path) -> None:
    """Colour the center's RMF file, or a copy of it where it is another's."""
    from congruence.io.rmf import open_rmf
    from congruence.io.rmf.colour import write_colored
    from congruence.plots.fluctuation import COLOR_TOP, fluctuation_colors

    source = found.members.rmf_of(found.center)
    own = folder / "center.rmf3"
    if own.is_file():
        source = own
    if source is None:
        return
    file = open_rmf(source)
    nodes, values = _node_values(file.topology("all"), found)
    write_colored(
        file,
        0,
        own,
        nodes=nodes,
        colors=fluctuation_colors(values),
        description=f"colours: RMSF from 0 (dark blue) to {COLOR_TOP:g} Å and above (yellow)",
    )


def _node_values(there: Topology, found: SetReport) -> tuple[IntArray, FloatArray]:
    """Give beads of every representation the RMSF of the residues they stand for."""
    topology, rmsf = found.members.topology, found.fluctuation.rmsf
    known: dict[tuple[int, str, int, int], float] = {}
    for i, m in enumerate(topology.molecule_index.tolist()):
        molecule = topology.molecules[m]
        for residue in topology.residues[i]:
            known[molecule.state, molecule.name, molecule.copy, residue] = float(rmsf[i])
    nodes, values = [], []
    for i, m in enumerate(there.molecule_index.tolist()):
        molecule = there.molecules[m]
        key = molecule.state, molecule.name, molecule.copy
        mine = [known[(*key, r)] for r in there.residues[i] if (*key, r) in known]
        if mine:
            nodes.append(int(there.node_id[i]))
            values.append(float(np.sqrt(np.mean(np.square(mine)))))
    return np.array(nodes, dtype=np.int64), np.array(values)


def _write_rmsf_reference(found: SetReport, folder: Path) -> None:
    """Write ``rmsf.NAME.dat`` of each molecule with the reference's number; of copies the last."""
    from congruence.io.precision_files import molecule_beads, write_rmsf

    topology = found.members.topology
    for name in topology.molecule_names:
        beads = molecule_beads(topology, name)
        if len(beads) and "/" not in name:
            residues = [topology.residues[i] for i in beads.tolist()]
            write_rmsf(folder / f"rmsf.{name}.dat", residues, found.fluctuation.compat[beads])


def _write_reference(report: PrecisionReport, out: Path) -> None:
    from congruence.io.precision_files import between_lines, within_lines, write_lines

    for i, found in enumerate(report.sets):
        name, lines = found.members.name, []
        for selection, numbers in _all_last(found.precision):
            center = found.members.frames[numbers.compat.center]
            lines += within_lines(selection, name, numbers.compat, center)
        write_lines(out / f"precision.{i}.{i}.out", lines)
    for (i, j), several in report.between.items():
        names = report.sets[i].members.name, report.sets[j].members.name
        lines = [
            line
            for selection, numbers in _all_last(several)
            for line in between_lines(selection, *names, numbers.average)
        ]
        write_lines(out / f"precision.{i}.{j}.out", lines)


def _all_last(found: dict[str, Any]) -> list[tuple[str, Any]]:
    """Name the selection of all beads as the reference does, and put it last."""
    rows = [(k, v) for k, v in found.items() if k != "all"]
    return [*rows, *(("All", found[k]) for k in found if k == "all")]


def write_run_record(
    out: Path, paths: Sequence[Path], report: PrecisionReport, *, engine: str = "local"
) -> None:
    """
    Write ``run.json`` of a folder of precision.

    Parameters
    ----------
    out : Path
        The folder, complete but for this file.
    paths : sequence of Path
        What was read.
    report : PrecisionReport
        What was found.
    engine : str
        What computed it: ``"local"`` or ``"dask"``.
    """
    from congruence.io.store import write_json
    from congruence.workflow.folder import RUN_JSON

    written = sorted(p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file())
    options = report.options
    data = {
        "program": "congruence",
        "versions": versions(),
        "command": "precision",
        "inputs": [str(p) for p in paths],
        "arguments": asdict(options) | {"selections": dict(options.selections)},
        "engine": engine,
        "seed": options.seed,
        "compared": report.spread.words(),
        "files": [n for n in written if not n.rpartition("/")[2].startswith(".")],
    }
    write_json(out / RUN_JSON, data)
