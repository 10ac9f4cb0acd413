"""Good-scoring models of two short runs, as the reference program chose and wrote them."""

import numpy as np
import pytest
from scipy.stats import ks_2samp
from sharedpaths import DATA, GOLDEN, needs_shared

from congruence.core.good_models import LinkCriterion
from congruence.io.good_models import read_origins
from congruence.io.rmf import open_rmf
from congruence.workflow.select import SelectOptions, select_runs

pytestmark = [pytest.mark.golden, needs_shared]

RUNS = (str(DATA / "threshold_runs" / "run1"), str(DATA / "threshold_runs" / "run2"))
REFERENCE = GOLDEN / "exhaustiveness" / "threshold_runs"
LINKS = "CrossLinkingMassSpectrometryRestraint_Distance_"
PRINTED = (
    "ConnectivityRestraint_Score_Rpb1",
    "CrossLinkingMassSpectrometryRestraint_Data_Score_Chen",
    "ExcludedVolumeSphere_Score",
    "Total_Score",
)
FRAMES_12 = ("10 25 26 27 28 30 35 36", "11 19 26 30 31 34")
FRAMES_15 = (
    "10 17 18 20 24 25 26 27 28 29 30 35 36 37 40 46 47",
    "11 18 19 20 21 22 26 27 29 30 31 33 34",
)
FILES = ("model_ids_scores.txt", "model_sample_ids.txt", "scoresA.txt", "scoresB.txt")


def options(limit, *, runs=RUNS, compat="sampcon", **changes):
    links = (LinkCriterion(LINKS, float(limit)),)
    return SelectOptions(runs, links, printed=PRINTED, compat=compat, **changes)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("select") / "good_scoring_models"
    select_runs(options(15), out)
    return out


@pytest.mark.parametrize("name", FILES)
def test_files_equal_the_reference_character_by_character(folder, name):
    assert (folder / name).read_bytes() == (REFERENCE / name).read_bytes()


@pytest.mark.parametrize("sample", "AB")
def test_the_models_are_the_ones_that_the_reference_listed(folder, sample):
    lines = (REFERENCE / f"Identities_{sample}.txt").read_text().split("\n")[:-1]
    expected = {line.split("/")[-1].split(" ")[0] for line in lines}
    assert {p.name for p in (folder / f"sample_{sample}").iterdir()} == expected


@pytest.mark.parametrize(
    ("limit", "sizes", "plain", "rounded"),
    [
        (12, (8, 6), (0.375, 0.6373626), (0.375, 0.6373626)),
        (15, (17, 13), (0.2669683258, 0.5577832638), (0.2171945701, 0.8022250529)),
        (30, (46, 44), (0.2084980237, 0.2397995629), (0.2084980237, 0.2397995629)),
    ],
)
def test_numbers_of_models_and_score_tests(tmp_path, limit, sizes, plain, rounded):
    found = select_runs(options(limit, extract=False), tmp_path / "out")
    assert found.split.sizes == sizes
    comparison = found.diagnosis.comparison
    np.testing.assert_allclose([comparison.d, comparison.p], plain, rtol=1e-7)
    written = [np.loadtxt(tmp_path / "out" / f"scores{s}.txt") for s in "AB"]
    test = ks_2samp(*written, method="exact")
    np.testing.assert_allclose([test.statistic, test.pvalue], rounded, rtol=1e-7)


@pytest.mark.parametrize(("limit", "frames"), [(12, FRAMES_12), (15, FRAMES_15)])
@pytest.mark.parametrize("compat", ["sampcon", None])
def test_the_frames(tmp_path, limit, frames, compat):
    found = select_runs(options(limit, extract=False, compat=compat), tmp_path / "out")
    table = found.good.table
    names = list(dict.fromkeys(table.run.tolist()))
    expected = [[int(f) for f in text.split()] for text in frames]
    assert [table.frame[table.run == name].tolist() for name in names] == expected


def test_native_scores_have_all_digits(tmp_path):
    select_runs(options(15, extract=False, compat=None), tmp_path / "out")
    values = (tmp_path / "out" / "model_ids_scores.txt").read_text().splitlines()[1].split()
    assert values[:4] == ["0", "run1", "0", "10"]
    assert values[-1] == "0.2752353320370282"
    both = [np.loadtxt(tmp_path / "out" / f"scores{s}.txt") for s in "AB"]
    best = sorted(float(scores.min()) for scores in both)
    assert best == [-0.9947972372758863, -0.9938998057820478]


def test_one_run_is_split_into_random_halves(tmp_path):
    found = select_runs(options(30, runs=RUNS[:1], extract=False), tmp_path / "out")
    assert found.split.sizes == (23, 23)
    assert "one run" in found.diagnosis.verdicts[0].claim


def test_the_models_are_frames_with_their_history(folder):
    model = open_rmf(folder / "sample_A" / "0.rmf3")
    assert len(model) == 1
    expected = [
        (-20.493149, 27.104025, -8.697799),
        (-20.622632, 32.903775, -15.640486),
        (-30.249186, 26.247772, -4.951307),
    ]
    np.testing.assert_allclose(model.coordinates([0], 1.0)[0], expected, atol=2e-6)
    last = open_rmf(folder / "sample_A" / "16.rmf3").coordinates([0], 1.0)[0]
    np.testing.assert_allclose(last[0], (10.769032, -96.138535, -52.535747), atol=2e-6)
    steps = {step.kind: dict(step.fields) for step in model.provenance()}
    assert steps["filter"] == {"method": "Best scoring", "frames": 30, "threshold": 0.0}
    assert steps["combined"] == {"runs": 2, "frames": 100}
    kinds = [step.kind for step in model.provenance()]
    assert kinds.index("filter") < kinds.index("combined")


def test_origins_are_the_same_from_our_table_and_from_the_common_files(folder):
    ours, theirs = read_origins(folder), read_origins(REFERENCE)
    assert (ours.in_a == theirs.in_a).all()
    assert ours.run.tolist() == theirs.run.tolist() == ["1"] * 17 + ["2"] * 13
    assert (ours.step == theirs.step).all()
    assert (ours.index == np.arange(30)).all()
    np.testing.assert_allclose(ours.score, theirs.score, atol=0.005001)
