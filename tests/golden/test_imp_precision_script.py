"""The unmodified precision script, after the clustering script, against real IMP."""

import ast
import re
import subprocess
import sys

import numpy as np
import pytest
from sharedpaths import DATA, GOLDEN, SPEC, needs_shared

from congruence.io.precision_files import read_rmsf
from congruence.io.rmf import open_rmf
from congruence.pmi import run_script

pytestmark = [pytest.mark.golden, needs_shared]

SCRIPTS = SPEC / "imp_scripts"
EXPECTED = GOLDEN / "imp_scripts"
FOLDER = re.compile(r"kmeans_8_2/cluster\.(\d)/")


def first(stat):
    row = ast.literal_eval(stat.read_text().splitlines()[0])
    return row["rmf_file"], row["rmf_frame_index"]


class Analysis:
    def __init__(self, root):
        (root / "modeling").mkdir()
        (root / "modeling" / "output").symlink_to(DATA / "rpb47" / "output_test")
        (root / "data").symlink_to(DATA / "rnapolii")
        (root / "analysis").mkdir()
        self.folder = root / "analysis"


@pytest.fixture(scope="module")
def analysis(tmp_path_factory):
    made = Analysis(tmp_path_factory.mktemp("field"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(made.folder)
        assert run_script(SCRIPTS / "cluster_example.py") == 0
    return made


@pytest.fixture(scope="module")
def printed(analysis):
    command = [sys.executable, "-c", "from congruence.cli import main; main()", "run-script"]
    script = str(SCRIPTS / "precision_example.py")
    done = subprocess.run(
        [*command, script], cwd=analysis.folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def numbers(analysis, printed):
    """Which of our clusters is which of the golden ones: by their best member."""
    ours = {first(p): p.parent.name[-1] for p in analysis.folder.glob("kmeans_8_2/*/stat.out")}
    golden = {p.parent.name[-1]: first(p) for p in EXPECTED.glob("kmeans_8_2/*/stat.out")}
    return {number: ours[place] for number, place in golden.items()}


def number_of(line):
    return float(line.split()[-1])


@pytest.mark.parametrize("name", ["precision.0.0.out", "precision.0.1.out", "precision.1.1.out"])
def test_precision_files(analysis, numbers, name):
    i, j = (numbers[k] for k in name.split(".")[1:3])
    ours = analysis.folder / f"precision.{min(i, j)}.{max(i, j)}.out"
    theirs = (EXPECTED / name).read_text()
    theirs = FOLDER.sub(lambda m: f"kmeans_8_2/cluster.{numbers[m[1]]}/", theirs)
    mine = ours.read_text().splitlines()
    theirs = theirs.splitlines()
    assert len(mine) == len(theirs) >= 4
    for a, b in zip(mine, theirs, strict=True):
        if "centroid rmf name" in b:
            assert a == b
            continue
        assert a.rsplit(" ", 1)[0] == b.rsplit(" ", 1)[0]
        assert number_of(a) == pytest.approx(number_of(b), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("number", ["0", "1"])
def test_rmsf_files(analysis, numbers, number):
    ours = analysis.folder / f"kmeans_8_2/cluster.{numbers[number]}"
    mine = read_rmsf(ours / "rmsf.Rpb4.dat")
    theirs = read_rmsf(EXPECTED / f"kmeans_8_2/cluster.{number}" / "rmsf.Rpb4.dat")
    assert np.array_equal(mine[0], theirs[0])
    assert np.array_equal(mine[1], theirs[1])
    assert mine[2] == pytest.approx(theirs[2], rel=1e-6, abs=1e-9)
    assert not (ours / "rmsf.Rpb7.dat").exists()
    assert (ours / "rmsf.Rpb4.pdf").read_bytes().startswith(b"%PDF")


def test_accuracy_against_the_whole_polymerase(analysis, printed):
    """Where the reference fails: 2 molecules against 12."""
    found = ast.literal_eval(printed.strip().splitlines()[-1])
    assert list(found) == ["Rpb4", "head of Rpb7", "stalk", "All"]
    native = open_rmf(DATA / "rnapolii" / "native.rmf3")
    whole, (there,) = native.topology(1), native.coordinates([0], 1)

    def named(topology):
        owners = topology.molecule_index.tolist()
        return [(topology.molecules[m].name, topology.residues[i][0]) for i, m in enumerate(owners)]

    place = dict(zip(named(whole), there, strict=True))
    members = sorted((analysis.folder / "kmeans_8_2" / "cluster.0").glob("*.rmf3"))
    expected = []
    for path in members:
        file = open_rmf(path)
        names, (here,) = named(file.topology(1)), file.coordinates([0], 1)
        shared = [i for i, name in enumerate(names) if name in place]
        target = np.array([place[names[i]] for i in shared])
        expected.append(np.sqrt(((here[shared] - target) ** 2).sum(axis=1).mean()))
    assert len(expected) == 6
    assert found["All"]["all_distances"] == pytest.approx(expected, rel=1e-9)
    assert found["All"]["average_distance"] == pytest.approx(np.mean(expected), rel=1e-9)
    assert found["All"] == found["stalk"]
