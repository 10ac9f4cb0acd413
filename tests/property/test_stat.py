"""Stat files with bytes changed, cut or inserted are read or refused, never a crash."""

import ast
import math

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from congruence.core.provenance import Losses
from congruence.errors import CongruenceError
from congruence.io.stat import read_header, read_stat, sample, write_stat_v1
from congruence.io.stat_parse import parse_row
from congruence.io.stat_rows import RowReader

VERSION_2 = (
    b"{'STAT2HEADER': 'STAT2HEADER', 'STAT2HEADER_ENVIRON': \"{'A': 'b\\\\n'}\", "
    b"'STAT2HEADER_IMP_VERSIONS': \"{'IMP_VERSION': '1'}\", 0: 'Total_Score', 1: 'rmf_file'} \n"
    + b"".join(b"{0: '%d.5', 1: 'output/rmfs//0.rmf3'} \n" % i for i in range(4))
)
VERSION_1 = b"".join(b"{'Total_Score': '%d', 'x|y': nan} \n" % i for i in range(4))

slow_disk = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
edits = st.lists(
    st.tuples(st.integers(0, 600), st.integers(0, 3), st.binary(max_size=4)), min_size=1, max_size=6
)


def damaged(content, changes):
    for at, removed, inserted in changes:
        at %= len(content) + 1
        content = content[:at] + inserted + content[at + removed :]
    return content


@slow_disk
@given(source=st.sampled_from([VERSION_1, VERSION_2]), changes=edits)
def test_damaged_files_are_read_or_refused(tmp_path, source, changes):
    path = tmp_path / "stat.0.out"
    path.write_bytes(damaged(source, changes))
    for read in (
        lambda: read_stat(path, losses=Losses()),
        lambda: read_stat(path, ["Total_Score", "x|y"], losses=Losses()),
        lambda: sample(path, head=1, tail=1, losses=Losses()).table,
    ):
        try:
            table = read()
        except CongruenceError as problem:
            assert problem.hint
        else:
            assert all(len(c) == len(table.lines) for c in table.columns.values())
            assert 0 <= table.end <= table.size <= path.stat().st_size


@slow_disk
@given(changes=edits)
def test_the_rows_that_count_do_not_depend_on_the_columns_asked_for(tmp_path, changes):
    path = tmp_path / "stat.0.out"
    path.write_bytes(damaged(VERSION_2, changes))
    try:
        full = read_stat(path, losses=Losses())
    except CongruenceError:
        return
    for name in full.columns:
        one = read_stat(path, [name], losses=Losses())
        assert one.lines.tolist() == full.lines.tolist()
    assert read_header(path).started


@settings(deadline=None)
@given(cut=st.integers(0, len(VERSION_2)))
def test_a_growing_file_gives_its_complete_rows(tmp_path_factory, cut):
    path = tmp_path_factory.mktemp("cut") / "stat.0.out"
    path.write_bytes(VERSION_2[:cut])
    table = read_stat(path, losses=Losses())
    assert len(table) == max(VERSION_2[:cut].count(b"\n") - 1, 0)
    assert table.end == VERSION_2.rfind(b"\n", 0, cut) + 1


values = st.one_of(
    st.text(max_size=8),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.none(),
    st.booleans(),
)


@given(st.dictionaries(st.integers(0, 99) | st.text(max_size=5), values, max_size=8))
def test_what_python_prints_is_read_as_python_reads_it(row):
    assert parse_row(repr(row)) == ast.literal_eval(repr(row)) == row


@given(
    st.lists(st.dictionaries(st.integers(0, 5), values, min_size=3), min_size=1, max_size=6),
    st.lists(st.integers(0, 5), min_size=1, unique=True),
)
def test_the_remembered_layout_reads_what_a_full_parse_reads(rows, keys):
    reader = RowReader(keys)
    for row in rows * 2:
        read = reader.read(repr(row))
        found = [*read] if isinstance(read, tuple) else [read.get(k) for k in keys]
        assert found == [row.get(k) for k in keys]


LIKE = (
    "{0: '1.5', 1: 0.5, 2: -1, 3: \"['a', 'b']\", 4: 'output/rmfs//0.rmf3', 5: 7, 6: '0'}",
    "{0: 1.5, 1: 0.5, 2: -1}",
    "{'a': '1', 'b|c': 2, \"it's\": '3'}",
)
texts = st.text(alphabet="0123456789.'\"{}:, \\anN-L", max_size=3)


@settings(max_examples=400, deadline=None)
@given(
    line=st.sampled_from(LIKE),
    at=st.integers(0, 80),
    removed=st.integers(0, 6),
    inserted=texts,
    few=st.booleans(),
)
def test_a_line_that_is_almost_alike_is_read_as_a_full_parse_reads_it(
    line, at, removed, inserted, few
):
    keys = [*parse_row(line)]
    keys = keys[1:2] if few else keys
    reader = RowReader(keys)
    reader.read(line)
    at %= len(line)
    changed = line[:at] + inserted + line[at + removed :]
    read, full = reader.read(changed), parse_row(changed)
    if isinstance(read, tuple):
        assert full is not None
        assert len(full) == len(parse_row(line))
        assert repr(read) == repr(tuple(full[key] for key in keys))
    else:
        assert repr(read) == repr(full)


@given(
    st.lists(st.dictionaries(st.text(max_size=4), st.text(max_size=6) | st.floats(), min_size=1))
)
def test_written_rows_are_read_back(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("v1") / "stat.out"
    write_stat_v1(path, rows)
    table = read_stat(path, losses=(losses := Losses()))
    assert (len(table), losses.by_reason().keys() - {"values: the row lacks the column"}) == (len(rows), set())  # fmt: skip
    for i, row in enumerate(rows):
        for name, value in row.items():
            back = table.columns[name][i]
            both_nan = isinstance(value, float) and math.isnan(value) and math.isnan(back)
            assert both_nan or back == value
