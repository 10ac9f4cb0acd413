"""The pages: what they tell to type runs and prints what they say; links and options exist."""

from __future__ import annotations

import importlib
import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]

_FENCE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\]\(((?:[^()\s]|\([^()]*\))+)\)|(?:src|href)=\"([^\"]+)\"")
_COMMAND = re.compile(r"\bcongruence ((?:run-|re)?[a-z]+)\b(.*)")
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
_OTHER_PROGRAMS = {
    *("--write", "--quick", "--group"),
    *("--models", "--beads", "--kinds", "--budget", "--full", "--every-pair"),  # benchmarks
    *("--data", "--null", "--repeats", "--many"),
    *("--members", "--workers", "--cold", "--each"),
    *("--nworkers", "--nthreads", "--scheduler-file"),  # dask
}


def _script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"docs_{name}", DOCS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


run_pages = _script("run_pages")
make_reference = _script("make_reference")


def _name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    run_pages.prepare(folder)
    return folder


@pytest.mark.parametrize("page", run_pages.tested_pages(), ids=_name)
def test_a_page_runs_and_prints_what_it_says(
    page: Path, runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    folder = tmp_path / "here"
    shutil.copytree(runs, folder)
    before = page.read_bytes()
    differences = run_pages.run_page(page, folder)
    assert not differences, "\n".join(map(str, differences)) + (
        "\nIf the program is right: python docs/run_pages.py --write"
    )
    assert page.read_bytes() == before


def test_the_tutorial_and_every_how_to_are_run() -> None:
    expected = {DOCS / "tutorial.md", *(DOCS / "how-to").glob("*.md")}
    assert expected <= set(run_pages.tested_pages())


def test_a_page_that_says_something_else_is_noticed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "<!-- test -->\n```python\nprint(2)\n```\n\n<!-- prints -->\n```text\n3\n```\n\n"
        "<!-- test: exit 3 -->\n```console\n$ congruence inspect nowhere\n...\n```\n\n"
        "<!-- test -->\n```console\n$ echo a \\\n  b\na b\n$ echo c\nd\n```\n",
        encoding="utf-8",
    )
    found = run_pages.run_page(page, tmp_path, write=True)
    assert [(d.what, d.expected, d.got) for d in found] == [
        ("the code prints", "3\n", "2\n"),
        ("echo c", "d\n", "c\n"),
    ]
    assert run_pages.run_page(page, tmp_path) == []


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    broken = []
    for match in _LINK.finditer(_FENCE.sub("", text)):
        target = match[1] or match[2]
        if re.match(r"https?://", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        inside = file.exists() and ROOT in (file, *file.parents)
        if not inside or (anchor and anchor not in _anchors(file)):
            broken.append(target)
    assert not broken, f"{_name(page)}: {broken}"


def _anchors(page: Path) -> set[str]:
    titles = re.findall(
        r"^#+ (.+)$", _FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE
    )
    return {re.sub(r"[^\w\- ]", "", t.lower()).strip().replace(" ", "-") for t in titles}


def test_every_page_can_be_reached_from_the_readme() -> None:
    seen: set[Path] = set()
    todo = [ROOT / "README.md"]
    while todo:
        page = todo.pop()
        if page in seen or page.suffix != ".md" or not page.is_file():
            continue
        seen.add(page)
        links = [m[1] or m[2] for m in _LINK.finditer(page.read_text(encoding="utf-8"))]
        todo += [(page.parent / link.partition("#")[0]).resolve() for link in links]
    assert set(DOCS.rglob("*.md")) <= seen


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_commands_and_options_in_pages_exist(page: Path) -> None:
    options = {
        name: {o for p in command.params for o in (*p.opts, *p.secondary_opts)} | {"--help"}
        for name, command in make_reference.commands().items()
    }
    every = set().union(*options.values()) | _OTHER_PROGRAMS
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    code = "\n".join([*_FENCE.findall(text), *re.findall(r"`([^`\n]+)`", _FENCE.sub("", text))])
    wrong = []
    for line in code.splitlines():
        called = _COMMAND.search(line)
        if called and called[1] in options:
            wrong += [
                f"{called[1]} {o}"
                for o in _OPTION.findall(called[2])
                if o not in options[called[1]]
            ]
        elif called and line.startswith(("$ congruence", "congruence ")):
            wrong.append(called[1])
        wrong += [o for o in _OPTION.findall(line) if o not in every]
    assert not wrong, f"{_name(page)} names what does not exist: {wrong}"


@pytest.mark.parametrize("name", ["cli.md", "config.md", "python.md"])
def test_generated_pages_are_those_of_the_code(name: str) -> None:
    written = (DOCS / "reference" / name).read_text(encoding="utf-8")
    assert written == make_reference.pages()[name], "run: python docs/make_reference.py"


def test_the_facade_page_lists_what_is_lent() -> None:
    from congruence.pmi.lending import HOMES

    text = (DOCS / "reference" / "imp-facade.md").read_text(encoding="utf-8")
    rows = {
        row[1]: row[2] for row in re.finditer(r"^\| `([\w.]+)` \| (.*) \|$", text, re.MULTILINE)
    }
    for lent, home in HOMES.items():
        provided = set(importlib.import_module(home).__all__)
        assert set(re.findall(r"`(\w+)`", rows[lent])) == provided


def test_result_page_names_every_file_and_column(runs: Path, tmp_path: Path) -> None:
    from congruence import ClusterConfig, cluster_runs

    config = ClusterConfig(
        runs=(str(runs / "congruence-demo" / "runs"),),
        best=6,
        rmsd=("*",),
        align="superpose",
        clusters=1,
        members="center",
        models_rmf=True,
        densities={"NAME": "Alpha"},
        compat=True,
    )
    cluster_runs(config, tmp_path / "out")
    text = (DOCS / "reference" / "results.md").read_text(encoding="utf-8")
    for path in (tmp_path / "out").rglob("*"):
        if path.is_file():
            name = re.sub(r"^\d+\.", "K.", path.name)
            assert name in text, name
    header = (tmp_path / "out" / "models.csv").read_text(encoding="utf-8").splitlines()[0]
    named = re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)
    assert header.split(",") == named[: len(header.split(","))]


def test_pictures_are_small_and_no_page_names_a_machine() -> None:
    pictures = list((DOCS / "images").glob("*"))
    assert pictures
    for picture in pictures:
        assert picture.suffix == ".png" and picture.stat().st_size < 300_000
    for page in PAGES:
        assert not re.search(r"/work\b|/home/|/tmp/|/root\b", page.read_text(encoding="utf-8"))


def test_readme_tells_the_two_commands_that_the_makefile_has() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "\n    make demo\n    make test\n" in text
    if shutil.which("make"):
        for target in ("demo", "test"):
            done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True)
            assert done.returncode == 0
