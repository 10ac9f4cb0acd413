"""Stat files: what counts as a row, what is reported, what is never kept."""

import ast
import math
import pickle
import subprocess
import sys

import numpy as np
import pytest

from congruence.core.provenance import Losses
from congruence.errors import CongruenceError, FormatError, InputError
from congruence.io.stat import read_header, read_stat, sample, write_stat_v1
from congruence.io.stat_parse import parse_row
from congruence.io.stat_rows import RowReader

HEADER = (
    "{'STAT2HEADER': 'STAT2HEADER', 'STAT2HEADER_ENVIRON': \"environ({'TOKEN': 'hunter2\\\\n'})\", "
    "'STAT2HEADER_IMP_VERSIONS': \"{'IMP_VERSION': 'develop-1', 'PMI_VERSION': '2'}\", "
    "0: 'Total_Score', 1: 'rmf_file', 2: 'rmf_frame_index', 3: 'sigma'} \n"
)


def row(score, frame, sigma="1.0"):
    return f"{{0: {score!r}, 1: 'output/rmfs//0.rmf3', 2: {frame!r}, 3: {sigma!r}}} \n"


def write(path, text):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.fixture
def stat(tmp_path):
    return lambda text: write(tmp_path / "stat.0.out", text)


def test_version_2_keeps_values_as_stored(stat):
    losses = Losses()
    table = read_stat(stat(HEADER + row("12.50", 0) + row(11.25, 1)), losses=losses)
    assert table.header.version == 2
    assert table.header.names == ("Total_Score", "rmf_file", "rmf_frame_index", "sigma")
    assert table.columns["Total_Score"].tolist() == ["12.50", 11.25]
    assert table.columns["rmf_frame_index"].tolist() == [0, 1]
    assert table.lines.tolist() == [2, 3]
    assert table.rows.tolist() == [0, 1]
    assert table.header.imp_versions == {"IMP_VERSION": "develop-1", "PMI_VERSION": "2"}
    assert table.tail is None
    assert not losses.entries


def test_only_asked_columns_are_kept_and_unknown_ones_are_none(stat):
    path = stat(HEADER + row("1", 0) + row("2", 1))
    losses = Losses()
    table = read_stat(path, ["sigma", "nothing", "Total_Score"], losses=losses)
    assert list(table.columns) == ["sigma", "nothing", "Total_Score"]
    assert table.columns["nothing"].tolist() == [None, None]
    assert table.columns["Total_Score"].tolist() == ["1", "2"]
    assert not losses.entries


def test_the_environment_is_in_nothing_that_is_returned(stat):
    path = stat(HEADER + row("1", 0) + "{junk\n" + HEADER + row("1", 0) + "{0: 'x")
    losses = Losses()
    everything = [read_stat(path, losses=losses), read_stat(path, ["sigma"], losses=losses)]
    everything += [read_header(path), sample(path, losses=losses), losses]
    assert b"hunter2" not in pickle.dumps(everything)
    assert b"Total_Score" in pickle.dumps(everything)  # the check above could find something


_STILL_HELD = """
import gc, sys
from pathlib import Path
from congruence.core.provenance import Losses
from congruence.io.stat import read_header, read_stat, sample
path, lost = Path(sys.argv[1]), Losses()
kept = [read_stat(path, losses=lost), read_stat(path, ["sigma"], losses=lost)]
kept += [read_header(path), sample(path, losses=lost)]
gc.collect()
secret = "".join(("hun", "ter2"))  # not a constant of this code

def held():
    seen = gc.get_referents(*gc.get_objects())
    seen += gc.get_referents(*(o for o in seen if isinstance(o, (dict, tuple))))  # untracked ones
    return sum(isinstance(o, str) and o is not secret and secret in o for o in seen)

without = held()
leak = {"header": path.read_text()}
print(without, held() > 0)
"""


def test_the_environment_does_not_stay_in_the_process(stat):
    path = stat(HEADER + row("1", 0) + row("2", 1))
    done = subprocess.run(
        [sys.executable, "-c", _STILL_HELD, path], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["0", "True"]


def test_an_unfinished_last_row_is_left_out_and_its_byte_kept(stat):
    whole = HEADER + row("1", 0)
    path = stat(whole + row("2", 1).rstrip("\n"))
    losses = Losses()
    table = read_stat(path, losses=losses)
    assert len(table) == 1
    assert table.tail == table.end == len(whole)
    assert len(losses) == 1
    assert f"byte {len(whole)}" in losses.entries[0].where


def test_damaged_lines_are_counted_with_their_numbers(stat):
    torn = row("2", 1)[:12] + row("3", 2)
    losses = Losses()
    path = stat(HEADER + row("1", 0) + torn + "\n" + "garbage\n" + row("4", 3))
    table = read_stat(path, ["Total_Score"], losses=losses)
    assert table.columns["Total_Score"].tolist() == ["1", "4"]
    assert table.rows.tolist() == [0, 4]
    assert (len(losses), losses.entries[0].where) == (2, f"{path}, lines 3, 5")


def test_many_damaged_lines_are_one_entry(stat):
    losses = Losses()
    path = stat(HEADER + "x\n" * 9)
    read_stat(path, losses=losses)
    assert losses.entries[0].count == 9
    assert losses.entries[0].where.endswith("lines 2, 3, 4, 5, 6 and 4 more")


@pytest.mark.parametrize(
    ("token", "value"),
    [
        ("nan", math.nan),
        ("-inf", -math.inf),
        ("inf", math.inf),
        ("np.float64(1.5)", 1.5),
        ("numpy.int64(-3)", -3),
        ("np.float64(nan)", math.nan),
        ("None", None),
        ("10L", 10),
        ("1e-05", 1e-5),
        ("u'a'", "a"),
        (r"'it\'s'", "it's"),
        ('"it\'s"', "it's"),
        (r"'\xe5\n'", "å\n"),
        ("['A', 1]", "['A', 1]"),
        ("''", ""),
        ("'None'", "None"),
    ],
)
@pytest.mark.parametrize("columns", [None, ["sigma"]])
def test_values_that_python_prints(stat, token, value, columns):
    line = f"{{0: '1', 1: 'f', 2: 0, 3: {token}}} \n"
    losses = Losses()
    found = read_stat(stat(HEADER + row("1", 0) + line), columns, losses=losses).columns["sigma"]
    assert not losses.entries
    assert type(found[1]) is type(value)
    np.testing.assert_equal(found[1], value)


@pytest.mark.parametrize(
    "line",
    [
        "{0: __import__('os').getcwd()}",
        "{0: f()}",
        "{0: 1 + 1}",
        r"{0: '\d'}",
        r"{0: '\N{BULLET}'}",
        "{0: b'x'}",
        "{0: 1j}",
        "{0: '1'",
        "0: '1'}",
        "{0: '1',}x",
        "{0: {}}{}",
        "[1]",
        "{(1, 2): 3}",
        "{1.5: 3}",
        "{0: " + "[" * 5000 + "]" * 5000 + "}",
        "{" + "9" * 5000 + ": 1}",
        "{0: \x00}",
    ],
)
def test_what_is_no_row(line):
    assert parse_row(line) is None
    assert RowReader([0]).read(line) is None


def test_a_number_of_too_many_digits_is_no_crash():
    assert parse_row("{0: " + "9" * 5000 + "}") in ({0: math.inf}, None)


def test_missing_and_extra_columns_are_tolerated(stat):
    lacking = "{0: '2', 1: 'f', 2: 1} \n"
    more = "{0: '3', 1: 'f', 2: 2, 3: '1', 7: 'new'} \n"
    losses = Losses()
    table = read_stat(stat(HEADER + row("1", 0) + lacking + more), losses=losses)
    assert table.columns["sigma"].tolist() == ["1.0", None, "1"]
    assert [(e.what, e.count) for e in losses.entries] == [("values", 1)]


def test_rows_in_another_order_are_read_the_same(stat):
    turned = "{3: '9', 2: 1, 1: 'f', 0: '2'} \n"
    table = read_stat(
        stat(HEADER + row("1", 0) + turned + row("3", 2)), ["sigma", "Total_Score"], losses=Losses()
    )
    assert table.columns["sigma"].tolist() == ["1.0", "9", "1.0"]
    assert table.columns["Total_Score"].tolist() == ["1", "2", "3"]


def test_text_that_looks_like_a_column_is_not_taken_for_one(stat):
    tricky = "{0: '5', 1: \"a', 0: '7', 3: '8\", 2: 1, 3: '6'} \n"
    table = read_stat(
        stat(HEADER + row("1", 0) + tricky), ["Total_Score", "sigma"], losses=Losses()
    )
    assert table.columns["Total_Score"].tolist() == ["1", "5"]
    assert table.columns["sigma"].tolist() == ["1.0", "6"]


def test_joined_files_follow_the_second_header(stat):
    second = HEADER.replace("0: 'Total", "5: 'Total").replace("3: 'sigma'", "0: 'sigma', 3: 'new'")
    later = "{5: '7', 1: 'f', 2: 0, 0: '8', 3: '9'} \n"
    path = stat(HEADER + row("1", 0) + second + later)
    table = read_stat(path, ["Total_Score", "sigma"], losses=Losses())
    assert table.columns["Total_Score"].tolist() == ["1", "7"]
    assert table.columns["sigma"].tolist() == ["1.0", "8"]
    assert read_stat(path, losses=Losses()).columns["new"].tolist() == [None, "9"]


def test_version_1(stat):
    path = stat("{'Total_Score': '1', 'x': 2}\n{'Total_Score': '3', 'y': 4} \n")
    losses = Losses()
    table = read_stat(path, losses=losses)
    assert table.header.version == 1
    assert table.rows.tolist() == [0, 1]
    assert table.columns["Total_Score"].tolist() == ["1", "3"]
    assert table.columns["y"].tolist() == [None, 4]
    assert read_header(path).names == ("Total_Score", "x")
    assert read_stat(path, ["y"], losses=Losses()).columns["y"].tolist() == [None, 4]


@pytest.mark.parametrize("columns", [None, ["Total_Score"]])
def test_version_1_and_2_rows_do_not_mix(stat, columns):
    losses = Losses()
    one = read_stat(stat("{'Total_Score': '1'}\n{0: '2'}\n"), columns, losses=losses)
    two = read_stat(stat(HEADER + row("1", 0) + "{'Total_Score': '2'}\n"), columns, losses=losses)
    assert (len(one), len(two), len(losses)) == (1, 1, 2)


@pytest.mark.parametrize("text", ["", "{'STAT2HEADER': 'STAT2HE", "\n\n"])
def test_not_started(stat, text):
    path = stat(text)
    assert read_header(path).started is False
    table = read_stat(path, ["Total_Score"], losses=Losses())
    assert (len(table), table.header.started) == (0, False)
    assert len(sample(path, losses=Losses()).table) == 0


def test_an_incomplete_header_is_reported(stat):
    losses = Losses()
    read_stat(stat("{'STAT2HEADER': 'STAT2HE"), losses=losses)
    assert losses.entries[0].what == "header"


def test_header_only_has_no_rows(stat):
    table = read_stat(stat(HEADER), losses=Losses())
    assert table.header.started is True
    assert len(table) == 0
    assert table.columns["sigma"].shape == (0,)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00", "not a stat file"),
        (b"Obj\x01\x04", "RMF file"),
        (b"hello\nworld\n", "not a stat file"),
        (b"{hello\n{world\n", "not a stat file"),
        (b"{0: '1', 1: 'f'}\n", "before any header"),
        (HEADER.replace("0: 'T", "0 'T").encode() + row("1", 0).encode(), "before any header"),
    ],
)
@pytest.mark.parametrize("read", [read_header, read_stat, sample])
def test_what_is_no_stat_file_is_refused_with_a_hint(stat, content, says, read):
    path = stat(content)
    arguments = {} if read is read_header else {"losses": Losses()}
    with pytest.raises(FormatError, match=says) as caught:
        read(path, **arguments)
    assert str(path) in caught.value.message
    assert caught.value.hint
    assert "hunter2" not in caught.value.message + caught.value.hint


def test_a_missing_file_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="cannot be read") as caught:
        read_stat(tmp_path / "stat.9.out", losses=Losses())
    assert caught.value.hint


def test_text_that_is_no_utf8_is_kept_readable(stat):
    content = HEADER.encode() + row("1", 0, "XX").encode().replace(b"XX", b"\xff")
    assert read_stat(stat(content), losses=Losses()).columns["sigma"].tolist() == ["\ufffd"]


def test_windows_line_ends(stat):
    text = (HEADER + row("1", 0)).replace(" \n", "\r\n")
    assert len(read_stat(stat(text), losses=Losses())) == 1


def test_sample_of_a_small_file_is_the_file(stat):
    found = sample(stat(HEADER + row("1", 0) * 7), head=3, tail=4, losses=Losses())
    assert (found.rows, found.estimated, len(found.table)) == (7, False, 7)


def test_sample_reads_head_and_tail_and_estimates(stat):
    rows = "".join(row(f"{i:06}", i) for i in range(40_000))
    found = sample(stat(HEADER + rows + "{0: 'un"), head=10, tail=5, losses=(losses := Losses()))
    values = found.table.columns["Total_Score"].tolist()
    assert values == [f"{i:06}" for i in [*range(10), *range(39_995, 40_000)]]
    assert found.estimated is True
    assert abs(found.rows - 40_000) < 2_000
    assert (losses.entries[-1].what, found.table.lines[-1]) == ("row", -1)


def test_written_version_1_is_what_python_prints(tmp_path):
    path = tmp_path / "stat.out"
    rows = [
        {"AVERAGE_RMSD": "1.5", "rmf_frame_index": 2, "x": np.float64(0.1)},
        {"AVERAGE_RMSD": "it's", "rmf_frame_index": np.int64(3), "x": math.nan},
    ]
    write_stat_v1(path, rows)
    assert path.read_bytes() == (
        b"{'AVERAGE_RMSD': '1.5', 'rmf_frame_index': 2, 'x': 0.1}\n"
        b"{'AVERAGE_RMSD': \"it's\", 'rmf_frame_index': 3, 'x': nan}\n"
    )
    losses = Losses()
    back = read_stat(path, losses=losses)
    assert back.columns["AVERAGE_RMSD"].tolist() == ["1.5", "it's"]
    assert not losses.entries


def test_writing_where_it_cannot_be_is_an_error_of_ours(tmp_path):
    with pytest.raises(CongruenceError, match="cannot be written"):
        write_stat_v1(tmp_path / "missing" / "stat.out", [])


def test_the_layout_of_a_version_1_row_with_odd_names():
    line = "{'a|b.*(': '1', \"it's\": '2', 'c': 3}"
    reader = RowReader(["c", "it's", "a|b.*("])
    assert reader.read(line) == ast.literal_eval(line)
    assert reader.read(line) == (3, "2", "1")


def test_lines_built_alike_are_cut_at_their_quotes_and_others_read_in_full():
    reader = RowReader([3, 0, 1])
    line = "{0: '1', 1: -0.5, 2: \"it's\", 3: 'a\"b', 4: 7}"
    assert isinstance(reader.read(line), dict)
    assert reader.read(line.replace("7", "nan").replace("it's", "'")) == ('a"b', "1", -0.5)
    assert reader.read(line.replace("-0.5", "x")) is None
    assert reader.read(line.replace("4:", "5:"))[5] == 7
    assert reader.read(line.replace("7", "'7'"))[4] == "7"
    assert reader.read(line.replace("7", "'8'").replace("'1'", "'2'")) == ('a"b', "2", -0.5)


def test_columns_of_many_rows_before_and_after_a_second_header(stat):
    second = HEADER.replace("3: 'sigma'", "3: 'new'")
    rows = [row(str(i), i) for i in range(300)]
    table = read_stat(stat(HEADER + "".join(rows) + second + "".join(rows[:7])), losses=Losses())
    assert table.columns["Total_Score"].tolist() == [str(i) for i in [*range(300), *range(7)]]
    assert table.columns["sigma"].tolist() == ["1.0"] * 300 + [None] * 7
    assert table.columns["new"].tolist() == [None] * 300 + ["1.0"] * 7
