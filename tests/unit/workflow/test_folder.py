import errno
import json
import os
import pathlib

import pytest

from congruence.errors import OutputError
from congruence.workflow import folder
from congruence.workflow.folder import check_target, result_folder


def write_result(out, files, *, force=False):
    with result_folder(out, force=force) as partial:
        for name, text in files.items():
            (partial / name).parent.mkdir(parents=True, exist_ok=True)
            (partial / name).write_text(text)
        (partial / "run.json").write_text(
            json.dumps({"program": "congruence", "files": sorted(files)})
        )


def test_a_result_appears_whole(tmp_path):
    out = tmp_path / "deep" / "out"
    write_result(out, {"a.txt": "1", "cluster.0/b.txt": "2"})
    assert (out / "cluster.0" / "b.txt").read_text() == "2"
    assert [p.name for p in out.parent.iterdir()] == ["out"]


def test_a_failed_job_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError), result_folder(tmp_path / "out", force=False) as partial:
        (partial / "half.txt").write_text("half")
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_a_failed_job_leaves_the_earlier_result(tmp_path):
    out = tmp_path / "out"
    write_result(out, {"a.txt": "old"})
    with pytest.raises(ZeroDivisionError), result_folder(out, force=True) as partial:
        (partial / "a.txt").write_text("new")
        raise ZeroDivisionError
    assert (out / "a.txt").read_text() == "old"
    assert (out / "run.json").exists()


def test_an_earlier_result_needs_force(tmp_path):
    write_result(tmp_path / "out", {"a.txt": "old"})
    with pytest.raises(OutputError, match="earlier result") as caught:
        check_target(tmp_path / "out", force=False)
    assert "--force" in caught.value.hint


def test_force_replaces_only_listed_files(tmp_path):
    out = tmp_path / "out"
    write_result(out, {"a.txt": "old", "cluster.1/b.txt": "old"})
    (out / "notes.txt").write_text("mine")
    write_result(out, {"a.txt": "new"}, force=True)
    assert (out / "a.txt").read_text() == "new"
    assert (out / "notes.txt").read_text() == "mine"
    assert not (out / "cluster.1").exists()


def test_force_never_overwrites_a_file_that_is_not_ours(tmp_path):
    out = tmp_path / "out"
    write_result(out, {"a.txt": "old"})
    (out / "models.csv").write_text("mine")
    with pytest.raises(OutputError, match=r"models\.csv exists"):
        write_result(out, {"models.csv": "new"}, force=True)
    assert (out / "models.csv").read_text() == "mine"
    assert (out / "a.txt").read_text() == "old"


@pytest.mark.parametrize("listed", ["../outside.txt", "/etc/outside.txt"])
def test_a_forged_list_cannot_reach_outside(tmp_path, listed):
    out = tmp_path / "out"
    out.mkdir()
    (tmp_path / "outside.txt").write_text("keep")
    (out / "run.json").write_text(json.dumps({"program": "congruence", "files": [listed]}))
    write_result(out, {"a.txt": "new"}, force=True)
    assert (tmp_path / "outside.txt").read_text() == "keep"


def test_a_folder_of_others_is_refused_even_with_force(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(OutputError, match=r"holds no run\.json"):
        check_target(tmp_path, force=True)


def test_a_file_is_refused(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(OutputError, match="not a folder"):
        check_target(tmp_path / "out", force=True)


def test_leavings_of_a_killed_job_are_replaced(tmp_path):
    killed = tmp_path / "out.partial"
    killed.mkdir()
    (killed / ".congruence-partial").touch()
    (killed / "half").touch()
    write_result(tmp_path / "out", {"a.txt": "1"})
    assert not killed.exists()
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["a.txt", "run.json"]


def test_a_strangers_partial_folder_stays(tmp_path):
    (tmp_path / "out.partial").mkdir()
    (tmp_path / "out.partial" / "mine").touch()
    with pytest.raises(OutputError, match="was not written by congruence"):
        write_result(tmp_path / "out", {"a.txt": "1"})
    assert (tmp_path / "out.partial" / "mine").exists()


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path):
    full = pytest.raises(OutputError, match="No space left")
    with full as caught, result_folder(tmp_path / "out", force=False):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert "space" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_another_os_error_is_a_bug_and_not_hidden(tmp_path):
    with pytest.raises(FileNotFoundError), result_folder(tmp_path / "out", force=False) as partial:
        (partial / "missing").read_text()


def test_a_failing_move_restores_the_earlier_result(tmp_path, monkeypatch):
    out = tmp_path / "out"
    write_result(out, {"a.txt": "old", "b.txt": "old"})
    real = pathlib.Path.rename

    def breaks(self, target):
        if self.name == "out.partial":
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(self, target)

    monkeypatch.setattr(pathlib.Path, "rename", breaks)
    with pytest.raises(OutputError):
        write_result(out, {"a.txt": "new", "c.txt": "new"}, force=True)
    monkeypatch.undo()
    assert {p.name: p.read_text() for p in out.glob("*.txt")} == {"a.txt": "old", "b.txt": "old"}
    assert (out / "run.json").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("force", [False, True])
def test_killed_between_the_two_renames(tmp_path, monkeypatch, force):
    """The worst moment for kill -9: the earlier result is aside, the new one not in place."""
    out = tmp_path / "out"
    write_result(out, {"a.txt": "old"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folder, "_take_along_strangers", lambda *_: None)
        real = pathlib.Path.rename

        def killed(self, target):
            if self.name == "out.partial":
                raise SystemExit  # nothing of the job's own clean-up may run
            return real(self, target)

        patch.setattr(pathlib.Path, "rename", killed)
        patch.setattr(pathlib.Path, "exists", lambda self: True)  # no putting back
        patch.setattr(folder.shutil, "rmtree", lambda *_, **__: None)
        patch.setattr(folder, "check_target", lambda *_, **__: None)
        patch.setattr(folder, "_clear_partial", lambda *_: None)
        with pytest.raises(SystemExit):
            write_result(out, {"a.txt": "new"}, force=True)
    assert not out.exists()
    if force:
        write_result(out, {"a.txt": "newer"}, force=True)
        assert (out / "a.txt").read_text() == "newer"
    else:
        with pytest.raises(OutputError, match="earlier result"):
            check_target(out, force=False)
        assert (out / "a.txt").read_text() == "old"
    assert not list(tmp_path.glob(".out*"))


def test_leavings_without_a_marker_are_replaced_when_they_are_ours(tmp_path):
    (tmp_path / "out.partial").mkdir()
    write_result(tmp_path / "out", {"a.txt": "1"})
    write_result(tmp_path / "out.partial", {"a.txt": "1"})
    write_result(tmp_path / "out", {"a.txt": "2"}, force=True)
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_links_and_folders_of_others_stay(tmp_path):
    out = tmp_path / "out"
    write_result(out, {"a.txt": "old", "cluster.0/b.txt": "old"})
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "keep.txt").write_text("keep")
    (out / "link").symlink_to(tmp_path / "elsewhere")
    (out / "cluster.0" / "notes.txt").write_text("mine")
    write_result(out, {"a.txt": "new"}, force=True)
    assert (out / "link").is_symlink()
    assert (out / "link" / "keep.txt").read_text() == "keep"
    assert (out / "cluster.0" / "notes.txt").read_text() == "mine"
    assert not (out / "cluster.0" / "b.txt").exists()


def test_files_of_others_stay_where_links_cannot_be_made(tmp_path, monkeypatch):
    def no_links(*_, **__):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    out = tmp_path / "out"
    write_result(out, {"a.txt": "old"})
    (out / "notes.txt").write_text("mine")
    monkeypatch.setattr(os, "link", no_links)
    write_result(out, {"a.txt": "new"}, force=True)
    assert (out / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("name", [".", ".."])
def test_a_folder_without_a_name_is_refused(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OutputError, match="no name of its own"):
        check_target(pathlib.Path(name), force=False)


def test_a_folder_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="is a file"):
        check_target(tmp_path / "file" / "out", force=False)


def test_a_folder_that_may_not_be_written_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(OutputError, match="permission denied") as caught:
        check_target(tmp_path / "out", force=False)
    assert "--out" in caught.value.hint
