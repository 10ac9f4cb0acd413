"""The figure of the RMSF: its data, its colours, its parts."""

import numpy as np
import pytest

from congruence.core.precision import Fluctuation
from congruence.core.topology import Molecule, Topology
from congruence.plots.fluctuation import (
    COLOR_TOP,
    fluctuation_colors,
    fluctuation_data,
    plot_fluctuation,
    plot_reference_rmsf,
)
from congruence.plots.style import save_figure


def made(*molecules, beads=4):
    topology = Topology.simple(list(molecules), beads_per_molecule=beads)
    n = len(topology)
    rmsf = np.arange(n, dtype=float)
    rigid = np.arange(n) % beads < 2
    return Fluctuation(rmsf, rmsf / 2, np.zeros((n, 3)), rigid, 9, "none"), topology


def test_beads_are_sorted_by_residue():
    found, topology = made(Molecule("A", 0), Molecule("B", 0))
    shuffled = topology.take(np.array([6, 1, 0, 7]))
    part = Fluctuation(
        found.rmsf[[6, 1, 0, 7]], found.compat[[6, 1, 0, 7]], found.mean[:4],
        found.rigid[[6, 1, 0, 7]], 9, "none",
    )  # fmt: skip
    b, a = fluctuation_data(part, shuffled)
    assert (a.name, a.residues.tolist(), a.rmsf.tolist()) == ("A@0", [1, 2], [0, 1])
    assert (b.name, b.residues.tolist(), b.compat.tolist()) == ("B@0", [3, 4], [3, 3.5])
    assert a.rigid.tolist() == [True, True]


def test_a_panel_per_molecule_with_its_rigid_parts(tmp_path):
    found, topology = made(*(Molecule(n, 0) for n in "ABC"))
    traces = fluctuation_data(found, topology)
    figure = plot_fluctuation(traces, title="cluster.0", words="As it is.", thresholds=(2.0, 9.0))
    panels = figure.get_axes()
    assert [p.get_title(loc="left") for p in panels] == ["A@0", "B@0", "C@0"]
    assert panels[0].get_ylabel() == "RMSF (Å)"
    for panel, trace in zip(panels, traces, strict=True):
        lines = [list(line.get_ydata()) for line in panel.lines]
        assert trace.rmsf.tolist() in lines
        assert trace.compat.tolist() in lines
        (bar,) = panel.collections
        assert bar.get_paths()[0].get_extents().intervalx.tolist() == [0.5, 2.5]
    words = " ".join(t.get_text() for t in figure.texts)
    assert "at most 2 Å" in words.replace("\n", " ")
    assert "As it is." in words
    one, two = save_figure(figure, tmp_path / "rmsf")
    first = one.read_bytes(), two.read_bytes()
    save_figure(
        plot_fluctuation(traces, title="cluster.0", words="As it is.", thresholds=(2.0, 9.0)),
        tmp_path / "rmsf",
    )
    assert (one.read_bytes(), two.read_bytes()) == first


def test_gaps_of_the_numbering_are_not_bridged():
    found, topology = made(Molecule("A", 0), beads=6)
    keep = np.array([0, 1, 4, 5])
    part = Fluctuation(
        found.rmsf[keep], found.compat[keep], found.mean[keep], found.rigid[keep], 9, "none"
    )
    (panel,) = plot_fluctuation(fluctuation_data(part, topology.take(keep))).get_axes()
    drawn = sorted(tuple(line.get_xdata()) for line in panel.lines)
    assert drawn == [(1, 2), (1, 2), (5, 6), (5, 6)]


def test_many_molecules_are_cut_and_nothing_can_be_drawn():
    found, topology = made(*(Molecule(f"M{k}", 0) for k in range(14)))
    figure = plot_fluctuation(fluctuation_data(found, topology))
    assert len(figure.get_axes()) == 12
    assert "The first 12 of 14" in figure.texts[-1].get_text().replace("\n", " ")
    assert plot_fluctuation(()).get_axes() == []


def test_the_scale_is_the_same_for_every_ensemble():
    one = fluctuation_colors(np.array([0.0, 5.0, COLOR_TOP]))
    two = fluctuation_colors(np.array([5.0, 3 * COLOR_TOP]))
    assert np.array_equal(one[1:], two)
    # Brighter is looser, whatever colours the eye can see.
    ramp = fluctuation_colors(np.linspace(0, COLOR_TOP, 30)) @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(ramp) > 0).all()


def test_the_figure_beside_the_reference_file():
    figure = plot_reference_rmsf("A", [(1,), (2, 3)], np.array([1.0, 4.0]), (0, 7))
    (panel,) = figure.get_axes()
    assert panel.lines[0].get_xydata().tolist() == [[1, 1], [2, 4], [3, 4]]
    assert panel.get_ylim() == pytest.approx((0, 7))
    assert plot_reference_rmsf("A", [(1,)], np.zeros(1)).get_axes()[0].get_ylim() == (0, 1)
