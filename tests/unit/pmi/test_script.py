"""Running a user's script: what it sees, what is put back, how it ends."""

import sys
import textwrap
from pathlib import Path

import pytest

from congruence.errors import CongruenceError, InputError
from congruence.pmi import run_script
from congruence.pmi.lending import NotProvidedError
from congruence.pmi.script import ScriptError
from congruence.pmi.voice import current_reporter
from congruence.workflow.reporting import Silent

RANKS = ("OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "MV2_COMM_WORLD_RANK", "SLURM_PROCID")


class Recorder(Silent):
    def __init__(self):
        self.warnings = []

    def warn(self, text):
        self.warnings.append(text)


@pytest.fixture(autouse=True)
def first_rank(monkeypatch):
    for name in RANKS:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def writer(text, name="script.py"):
        path = tmp_path / "scripts" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(textwrap.dedent(text))
        return path

    return writer


def test_a_script_sees_its_arguments_its_folder_and_the_working_directory(write, tmp_path, capsys):
    write("VALUE = 42", "beside_it.py")
    script = write(
        """
        from __future__ import print_function
        import os, sys
        import beside_it
        import IMP, IMP.pmi.macros, RMF
        if __name__ == "__main__":
            print(sys.argv[1:], beside_it.VALUE, os.getcwd(), "--test" in sys.argv)
        """
    )
    before = (list(sys.argv), list(sys.path), set(sys.modules))
    assert run_script(script, ["--test", "x y"]) == 0
    assert capsys.readouterr().out == f"['--test', 'x y'] 42 {tmp_path} True\n"
    assert (sys.argv, sys.path) == before[:2]
    assert "beside_it" not in sys.modules
    assert "IMP" not in sys.modules


def test_two_scripts_with_modules_of_one_name_do_not_mix(tmp_path, capsys):
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "same_name.py").write_text(f"print({name!r})")
        (tmp_path / name / "script.py").write_text("import same_name")
        assert run_script(tmp_path / name / "script.py") == 0
    assert capsys.readouterr().out == "first\nsecond\n"


def test_the_working_directory_is_put_back(write, tmp_path):
    run_script(write("import os; os.chdir('/')"))
    assert Path.cwd() == tmp_path


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("raise SystemExit", 0),
        ("import sys; sys.exit(0)", 0),
        ("import sys; sys.exit(5)", 5),
        ("x = 1", 0),
    ],
)
def test_the_exit_status_of_the_script_is_returned(write, line, status):
    assert run_script(write(line)) == status


def test_an_exit_with_words_is_a_failure_and_told(write):
    heard = Recorder()
    assert run_script(write("raise SystemExit('no more models')"), reporter=heard) == 1
    assert heard.warnings == ["no more models"]


def test_python_2_is_explained(write):
    with pytest.raises(InputError) as caught:
        run_script(write("import IMP\nprint 'hello'\n"))
    assert "line 2" in caught.value.message
    assert "2to3" in caught.value.hint
    with pytest.raises(ScriptError) as caught:
        run_script(write("for i in xrange(3): pass"))
    assert "2to3" in caught.value.hint


def test_an_error_of_the_script_keeps_its_traceback(write):
    with pytest.raises(ScriptError) as caught:
        run_script(write("import IMP\n\ndef f():\n    return 1 / 0\n\nf()\n"))
    assert "ZeroDivisionError: division by zero" in caught.value.message
    assert "line 6" in caught.value.message
    assert "runpy" not in caught.value.message
    assert caught.value.exit_code == 1
    assert "IMP" not in sys.modules


def test_an_error_of_the_facade_names_the_line_of_the_script(write):
    script = write("import IMP.pmi.macros\n\nIMP.pmi.macros.ReplicaExchange0()\n")
    with pytest.raises(NotProvidedError) as caught:
        run_script(script)
    assert str(caught.value).startswith(f"{script}, line 3: IMP.pmi.macros.ReplicaExchange0")
    assert caught.value.exit_code == 3


def test_a_missing_script_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="there is no script"):
        run_script(tmp_path / "nothing.py")


@pytest.mark.parametrize("name", RANKS)
def test_only_the_first_rank_acts(write, monkeypatch, capsys, name):
    script = write("print('ran')")
    monkeypatch.setenv(name, "3")
    assert run_script(script) == 0
    assert capsys.readouterr().out == ""
    monkeypatch.setenv(name, "0")
    assert run_script(script) == 0
    assert capsys.readouterr().out == "ran\n"


def test_the_rank_of_the_launcher_counts_before_that_of_the_batch_job(write, monkeypatch, capsys):
    monkeypatch.setenv("SLURM_PROCID", "1")
    monkeypatch.setenv("OMPI_COMM_WORLD_RANK", "0")
    run_script(write("print('ran')"))
    assert capsys.readouterr().out == "ran\n"


def test_a_warning_points_to_the_line_of_the_script(write):
    text = "import IMP.pmi.macros as m\n\nm.AnalysisReplicaExchange0(None, ['nowhere'])\n"
    script = write(text)
    with pytest.warns(UserWarning, match="nowhere") as caught:
        run_script(script)
    assert [(w.filename, w.lineno) for w in caught] == [(str(script), 3)]


def test_warnings_go_to_python_without_a_reporter():
    with pytest.warns(UserWarning, match="look at this"):
        current_reporter().warn("look at this")


def test_errors_are_congruence_errors():
    assert issubclass(ScriptError, CongruenceError)
