import numpy as np
import pytest

from congruence.errors import ConfigError
from congruence.simulate import BeadKind, Segment, Subunit, System, small_system
from congruence.simulate.system import chain_id


def test_standard_complex_by_hand():
    topology = small_system().topology
    # Alpha 30 residues, 4 of them in 2 loop beads; Beta 26 + 1; Gamma 27 + 1, twice; Delta 6
    assert np.bincount(topology.molecule_index).tolist() == [28, 27, 28, 28, 6]
    assert [str(m) for m in topology.molecules][2:4] == ["Gamma@0%0", "Gamma@1%0"]
    assert topology.residues[15] == (16, 17)
    assert topology.bead_name[15] == "16-17_bead"
    assert topology.resolution[15] == 2.0
    (group,) = topology.copy_groups()
    assert group.copies == (0, 1)
    assert topology.residue_counts.sum() == 5 * 30


def test_size_for_benchmarks():
    assert 1000 <= len(small_system(residues_per_subunit=250).topology) <= 1050


def test_radii_and_masses_are_those_of_protein():
    topology = small_system().topology
    residues = topology.residue_counts == 1
    assert 2.4 < topology.radius[residues].min() < topology.radius[residues].max() < 3.9
    assert 100 < topology.mass.sum() / 150 < 130


def test_no_two_residues_of_a_body_are_in_one_place():
    system = small_system(residues_per_subunit=100)
    for body in range(system.bodies - 1):
        xyz = system.local[(system.body == body) & (system.kind == BeadKind.RIGID)]
        apart = np.linalg.norm(xyz[:, None] - xyz[None], axis=2) + 100 * np.eye(len(xyz))
        assert 2.5 < apart.min() < 5.0


def test_local_coordinates_are_exact_in_32_bits():
    local = small_system().local
    assert np.array_equal(local, local.astype(np.float32).astype(float))


def test_coarse_beads_are_means_of_ten():
    system = small_system()
    coarse = system.coarsen(system.local[None])[0]
    assert np.allclose(coarse[0], system.local[:10].mean(axis=0))
    assert np.allclose(coarse[1], system.local[10:15].mean(axis=0))
    assert np.allclose(coarse[2], system.local[15])


@pytest.mark.parametrize(("body", "chain"), [(0, "A"), (25, "Z"), (26, "AA"), (52, "BA")])
def test_chain_ids(body, chain):
    assert chain_id(body) == chain


@pytest.mark.parametrize(
    "subunits",
    [
        (),
        (Subunit("A", (Segment(1, 5, BeadKind.RIGID),)),) * 2,
        (Subunit("A", (Segment(2, 5, BeadKind.RIGID),)),),
        (Subunit("A", (Segment(1, 5, BeadKind.RIGID), Segment(7, 9, BeadKind.NESTED))),),
    ],
)
def test_impossible_systems_are_refused(subunits):
    with pytest.raises(ConfigError) as caught:
        System(subunits)
    assert caught.value.hint


def test_too_small_subunits_are_refused():
    with pytest.raises(ConfigError, match="at least 20"):
        small_system(residues_per_subunit=19)
