"""Run the command line in this process, and read the folders that it writes."""

import csv
import json
from pathlib import Path

import numpy as np

from congruence.cli import _run

SECRET = "hunter2-never-to-be-seen"
ENVIRON = {"SECRET_TOKEN": SECRET, "HOME": "/home/somebody-" + SECRET}
ASKED = ("--rmsd", "*", "--align", "superpose")


def congruence(*words):
    """Return the exit code."""
    return _run([str(word) for word in words])


def tree(folder):
    """Return all files of a folder: relative path -> bytes."""
    folder = Path(folder)
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    }


def models(out):
    """Return models.csv as columns of text."""
    with (Path(out) / "models.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def labels(out):
    return models(out)["cluster"].astype(int)


def places(out):
    """Return (run, replica, frame) of each model, in rank order."""
    table = models(out)
    return list(
        zip(
            table["run"].tolist(),
            table["replica"].astype(int).tolist(),
            table["frame"].astype(int).tolist(),
            strict=True,
        )
    )


def planted(truth):
    """Return the planted label of each model by (run, replica, frame)."""
    rows = zip(truth.run.tolist(), truth.replica.tolist(), truth.frame.tolist(), strict=True)
    return {
        (f"run{run + 1}", replica, frame): label
        for (run, replica, frame), label in zip(rows, truth.labels.tolist(), strict=True)
    }


def record(out, name="run.json"):
    return json.loads((Path(out) / name).read_text())
