"""What users import: every exported name exists, and importing is light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import congruence


def exported():
    stub = Path(congruence.__file__).with_suffix(".pyi")
    tree = ast.parse(stub.read_text(encoding="utf-8"))
    return [a.asname for n in tree.body if isinstance(n, ast.ImportFrom) for a in n.names]


@pytest.mark.parametrize("name", exported())
def test_every_exported_name_is_there(name):
    assert getattr(congruence, name).__doc__


def test_all_is_the_stub():
    assert sorted(congruence.__all__) == sorted(exported())


HEAVY = (
    "numpy",
    "scipy",
    "sklearn",
    "numba",
    "fastavro",
    "mrcfile",
    "matplotlib",
    "pydantic",
    "rich",
)


def loaded_by(code):
    script = f"import sys; {code}; print(*[m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return done.stdout.split()


def test_importing_congruence_loads_nothing_heavy():
    assert loaded_by("import congruence") == []


def test_help_loads_nothing_heavy():
    code = "import contextlib, io; from congruence.cli import _run\nwith contextlib.redirect_stdout(io.StringIO()): assert _run(['--help']) == 0\nassert True"
    script = f"import sys\n{code}\nprint(*[m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []
