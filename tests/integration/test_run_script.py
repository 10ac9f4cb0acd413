"""Scripts in the manner of the field, run unmodified on a simulated sampling."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from congruence.errors import SelectionError
from congruence.pmi import run_script
from congruence.pmi.lending import NotProvidedError
from congruence.simulate import simulate_runs

CLUSTER = '''
"""Clustering, as many groups have it: settings on top, python2 style below."""
from __future__ import print_function, division
import sys
import os
import glob
import matplotlib
matplotlib.use('Agg')
import IMP
import IMP.core
import IMP.atom
import IMP.rmf
import IMP.pmi
import IMP.pmi.macros
import IMP.pmi.analysis
import IMP.pmi.output
import RMF

IMP.set_log_level(IMP.SILENT)
is_mpi = False
nmodels = 20
nclusters = 2
if '--test' in sys.argv:
    nmodels = 6
if len(sys.argv) > 2:
    nclusters = int(sys.argv[2])
cutoff = 1e6 if '--test' in sys.argv else 1e9

model = IMP.Model()
directories = sorted(glob.glob('../modeling/run*'))
print(directories)
mc = IMP.pmi.macros.AnalysisReplicaExchange0(model,
                                             merge_directories=directories,
                                             global_output_directory='output')
mc.stat_files.sort()

components = ['Alpha', 'Beta', 'Gamma']
rmsd = dict((c, c) for c in components)
densities = {'all': components, 'start of Beta': [(1, 5, 'Beta')], 'one copy': [('Gamma', 1)]}
outdir = 'kmeans_%d_%d/' % (nmodels, nclusters)
if not os.path.exists(outdir):
    os.makedirs(outdir)
with IMP.allow_deprecated():
    mc.clustering(score_key='Total_Score', rmf_file_key='rmf_file',
              rmf_file_frame_key='rmf_frame_index', prefiltervalue=cutoff,
              number_of_best_scoring_models=nmodels, alignment_components=None,
              rmsd_calculation_components=rmsd,
              distance_matrix_file=outdir + 'distance.rawmatrix.pkl',
              outputdir=outdir, feature_keys=['CrossLinkingMassSpectrometryRestraint'],
              load_distance_matrix_file=False, skip_clustering=False,
              display_plot=True, exit_after_display=False, get_every=1,
              number_of_clusters=nclusters, voxel_size=3.0,
              density_custom_ranges=densities)
for n in mc.cluster_obj.get_cluster_labels():
    print(n, mc.cluster_obj.get_cluster_label_size(n), '%.2f' % mc.get_cluster_rmsd(n),
          mc.cluster_obj.get_cluster_label_names(n)[0])
assert len(glob.glob(outdir + 'cluster.*/stat.out')) == nclusters
'''

RECLUSTER = """
import sys
import IMP.pmi.macros as macros
import IMP
m = macros.AnalysisReplicaExchange0(IMP.Model(), ["../modeling/run1", "../modeling/run2"])
for k in (1, 2, 3):
    m.clustering(number_of_best_scoring_models=12, number_of_clusters=k,
                 rmsd_calculation_components={"Alpha": "Alpha", "Delta": (1, -1, "Delta")},
                 alignment_components={"Alpha": "Alpha"}, distance_matrix_file="shared",
                 load_distance_matrix_file=k > 1, outputdir="k%d" % k)
    print(k, sorted(m.cluster_obj.structure_cluster_ids))
m.clustering(number_of_best_scoring_models=12, number_of_clusters=2,
             rmsd_calculation_components={"Alpha": "Alpha"}, outputdir="plot", display_plot=True)
print("never reached")
"""

MISSPELT = """
import IMP
import IMP.pmi.macros
m = IMP.pmi.macros.AnalysisReplicaExchange0(IMP.Model(), merge_directories=["../modeling/run1"])
m.clustering(rmsd_calculation_components={"alpha": "alpha"})
"""

SAMPLING = """
import IMP
import IMP.pmi.topology
from IMP.pmi.macros import BuildSystem, ReplicaExchange0
bs = BuildSystem(IMP.Model())
"""


@pytest.fixture(scope="module")
def modeling(tmp_path_factory):
    folder = tmp_path_factory.mktemp("field")
    simulate_runs(folder / "modeling", models=24, clusters=2, seed=7)
    return folder


@pytest.fixture
def analysis(modeling, tmp_path, monkeypatch):
    for name in ("OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "MV2_COMM_WORLD_RANK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("SLURM_PROCID", raising=False)
    (tmp_path / "modeling").symlink_to(modeling / "modeling")
    (tmp_path / "analysis").mkdir()
    monkeypatch.chdir(tmp_path / "analysis")

    def write(text, name="script.py"):
        Path(name).write_text(text.lstrip())
        return name

    return write


def test_a_clustering_script_with_a_test_flag(analysis, capsys):
    assert run_script(analysis(CLUSTER), ["--test", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "['../modeling/run1', '../modeling/run2']"
    assert sum(int(line.split()[1]) for line in lines[1:]) == 6
    folder = Path("kmeans_6_3")
    matrix = np.load(folder / "distance.rawmatrix.pkl.npy")
    assert matrix.shape == (6, 6)
    assert np.array_equal(matrix, matrix.T)
    written = {p.relative_to(folder).as_posix() for p in folder.rglob("*.mrc")}
    assert written == {
        f"cluster.{n}/{name}.mrc" for n in range(3) for name in ("all", "start of Beta", "one copy")
    }
    assert run_script("script.py") == 0
    assert Path("kmeans_20_2/cluster.1/0.rmf3").is_file()


def test_a_script_that_clusters_again_from_the_saved_matrix(analysis, capsys):
    assert run_script(analysis(RECLUSTER)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["1", "2", "3"]
    assert [len(set(line.split(" ", 1)[1].strip("[]").split(", "))) for line in lines] == [1, 2, 3]
    assert Path("plot/dist_matrix.pdf").is_file()
    assert not list(Path("plot").glob("cluster.*"))


def test_a_misspelt_molecule_names_line_and_molecules(analysis):
    with pytest.raises(SelectionError) as caught:
        run_script(analysis(MISSPELT))
    assert str(caught.value).startswith("script.py, line 4: rmsd_calculation_components['alpha']")
    assert "Alpha" in str(caught.value)
    assert "Did you mean 'Alpha'" in caught.value.hint


def test_a_sampling_script_is_told_where_it_belongs(analysis):
    with pytest.raises(NotProvidedError) as caught:
        run_script(analysis(SAMPLING))
    assert "IMP.pmi.macros.BuildSystem is not provided" in str(caught.value)
    assert "IMP's Python" in caught.value.hint


def test_under_mpirun_only_one_process_writes(analysis):
    """Several processes with the ranks that mpirun gives them, without MPI."""
    analysis(CLUSTER)
    code = "import sys; from congruence.pmi import run_script; sys.exit(run_script('script.py', ['--test']))"
    outputs = []
    for rank in ("1", "0"):
        env = {**os.environ, "OMPI_COMM_WORLD_RANK": rank, "OMPI_COMM_WORLD_SIZE": "2"}
        done = subprocess.run(
            [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
        )
        outputs.append(done.stdout)
        assert Path("kmeans_6_2").exists() == (rank == "0")
    assert outputs[0] == ""
    assert "run1" in outputs[1]


def test_the_facade_without_the_shim(analysis, capsys):
    text = """
    import congruence.pmi as pmi
    macro = pmi.macros.AnalysisReplicaExchange0(pmi.Model(), ["../modeling/run1"])
    macro.clustering(rmsd_calculation_components={"Beta": "Beta"}, number_of_best_scoring_models=5)
    print(macro.cluster_obj.get_cluster_label_size(0))
    """
    path = analysis(textwrap.dedent(text))
    done = subprocess.run([sys.executable, path], capture_output=True, text=True, check=True)
    assert done.stdout == "5\n"
    assert done.stderr == ""
