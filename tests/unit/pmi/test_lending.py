"""Modules lent under the names of IMP and RMF."""

import importlib
import sys
import types

import pytest

from congruence.errors import CongruenceError
from congruence.pmi.lending import NotProvidedError, lent_modules, not_provided


@pytest.fixture
def lent():
    with lent_modules():
        yield


def test_importing_any_module_succeeds_and_nothing_is_left_afterwards():
    names = ["IMP", "RMF", "IMP.pmi.macros", "IMP.em2d", "IMP.pmi.io.crosslink", "IMP.no.such"]
    finders = list(sys.meta_path)
    with lent_modules():
        for name in names:
            assert importlib.import_module(name).__name__ == name
    assert not [n for n in sys.modules if n.partition(".")[0] in ("IMP", "RMF")]
    assert sys.meta_path == finders
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("IMP.no_such_module_of_anybody")


def test_an_installed_imp_is_put_aside_and_comes_back(monkeypatch):
    real = types.ModuleType("IMP")
    monkeypatch.setitem(sys.modules, "IMP", real)
    with lent_modules():
        import IMP

        assert IMP is not real
        assert hasattr(IMP, "Model")
    assert sys.modules["IMP"] is real


def test_other_missing_modules_stay_missing(lent):
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("IMPORTANT_module_that_is_not_there")


def test_provided_names_are_ours(lent):
    import IMP
    import IMP.pmi.analysis
    import IMP.pmi.macros

    from congruence.pmi import analysis, macros

    assert IMP.pmi.macros.AnalysisReplicaExchange0 is macros.AnalysisReplicaExchange0
    assert IMP.pmi.analysis.Alignment is analysis.Alignment
    model = IMP.Model()
    IMP.set_log_level(IMP.SILENT)
    with IMP.allow_deprecated():
        pass
    assert not hasattr(model, "add_score_state")
    with pytest.raises(NotProvidedError, match=r"IMP\.Model\.update is not provided"):
        model.update()


def test_modules_that_imp_loads_by_itself_need_no_import_of_their_own(lent):
    import IMP.pmi.macros

    assert IMP.atom.__name__ == "IMP.atom"
    assert IMP.pmi.analysis.Clustering


def test_using_a_name_that_is_not_provided_says_what_to_do(lent):
    import IMP.atom
    import RMF

    with pytest.raises(NotProvidedError) as caught:
        IMP.atom.get_leaves(1)
    assert "IMP.atom.get_leaves is not provided" in str(caught.value)
    assert "open_rmf" in caught.value.hint
    assert isinstance(caught.value, CongruenceError)
    assert isinstance(caught.value, AttributeError)
    assert not hasattr(RMF, "open_rmf_file_read_only")
    assert getattr(RMF, "open_rmf_file_read_only", 7) == 7
    with pytest.raises(NotProvidedError, match=r"RMF\.__version__ is not provided"):
        _ = RMF.__version__


def test_a_name_taken_with_from_raises_only_when_it_is_used(lent):
    from IMP.pmi.analysis import CrossLinkTable
    from IMP.pmi.macros import BuildSystem

    with pytest.raises(NotProvidedError, match=r"IMP\.pmi\.macros\.BuildSystem is not provided"):
        BuildSystem()
    with pytest.raises(NotProvidedError) as caught:
        CrossLinkTable()
    assert "congruence" in caught.value.hint
    with pytest.raises(NotProvidedError):
        _ = CrossLinkTable.from_file
    with pytest.raises(NotProvidedError):

        class Mine(BuildSystem):
            pass


def test_a_star_import_brings_the_provided_names(lent):
    names = {}
    exec("from IMP.pmi.macros import *", names)
    assert "AnalysisReplicaExchange0" in names


def test_misspelt_names_are_proposed():
    assert "AnalysisReplicaExchange0" in not_provided("IMP.pmi.macros.AnalysisReplicaExchang0").hint
    assert "IMP.Model" not in not_provided("IMP.foo").message.split(";")[0]
    assert "provides" in not_provided("IMP.foo").message
