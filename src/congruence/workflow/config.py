"""
The job as data: every option with its title, its help and its check.

The same model serves the command line, TOML files and Python; `ClusterConfig`
is frozen and strict, so that a misspelt option is an error and not a silence.
"""

from __future__ import annotations

import difflib
import tomllib
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from congruence.errors import ConfigError, InputError

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic_core import ErrorDetails

__all__ = ["ClusterConfig", "load_config", "toml_text"]

Alignments = Literal["none", "center", "superpose"]
Methods = Literal["kmeans", "threshold", "hierarchical", "hdbscan"]


class ClusterConfig(BaseModel):
    """Everything that ``congruence cluster`` is told; each field says what it means."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    runs: tuple[str, ...] = Field(
        default=(),
        description="Run folders, glob patterns, stat or RMF files, NAME=SEGMENT,SEGMENT",
    )
    score: str | None = Field(
        default=None, description="Score column to rank by; found among the known ones if absent"
    )
    below: float | None = Field(default=None, description="Only models with a score strictly below")
    best: Annotated[int, Field(gt=0)] | None = Field(
        default=None, description="Only the N best-scoring models over all runs"
    )
    every: Annotated[int, Field(gt=0)] = Field(
        default=1, description="Every g-th frame of each replica: 0, g, 2g, ..."
    )
    frames: tuple[float, float] = Field(
        default=(0.0, 1.0), description="Fraction of each replica to use, as (first, last)"
    )
    features: tuple[str, ...] = Field(
        default=(), description="Keep score columns whose name contains one of these texts"
    )
    where: tuple[str, ...] = Field(
        default=(), description="Conditions on any column, such as 'ExcludedVolumeSphere_None<5'"
    )
    state: Annotated[int, Field(ge=0)] | Literal["all"] = Field(
        default=0, description="State to analyse, or all"
    )
    resolution: Annotated[float, Field(ge=0)] = Field(
        default=1.0, description="Residues per bead of the representation to read"
    )
    rmsd: tuple[str, ...] = Field(
        default=(), description="Selections on which the RMSD is measured, together"
    )
    align: Alignments | None = Field(
        default=None,
        description="none: a map or a fixed part gives the frame; center: centroids removed; "
        "superpose: optimal rotation",
    )
    align_on: tuple[str, ...] = Field(
        default=(), description="Selections to superpose or centre on; those of rmsd if absent"
    )
    copies: Literal["auto", "off"] = Field(
        default="auto", description="auto: copies of one molecule may take each other's place"
    )
    swaps: tuple[str, ...] = Field(
        default=(),
        description="Sub-complexes that take each other's place as one: 'A.0/B.0 A.1/B.1'",
    )
    weights: Literal["residues", "none"] = Field(
        default="residues", description="Weight of a bead: its residues, or one"
    )
    method: Methods = Field(default="kmeans", description="Clustering method")
    clusters: Annotated[int, Field(gt=0)] | None = Field(
        default=None, description="Number of clusters; advised if neither this nor threshold"
    )
    threshold: Annotated[float, Field(gt=0)] | None = Field(
        default=None, description="Clustering threshold in Å"
    )
    densities: dict[str, str] = Field(
        default_factory=dict, description="Localization densities: NAME = SELECTION"
    )
    voxel: Annotated[float, Field(gt=0)] = Field(default=5.0, description="Voxel of the maps in Å")
    map_resolution: Annotated[float, Field(gt=0)] = Field(
        default=20.0, description="Resolution of the maps in Å"
    )
    members: Literal["auto", "all", "center", "none"] | Annotated[int, Field(gt=0)] = Field(
        default="auto",
        description="Members to write: auto (all up to 200, else center and 50 best), all, center, "
        "none, or the N best",
    )
    models_rmf: bool = Field(
        default=False, description="Also write all members of a cluster into one models.rmf3"
    )
    hash: Literal["ends", "all"] = Field(
        default="ends", description="Inputs are hashed by their first and last 64 KiB, or wholly"
    )
    compat: bool = Field(
        default=False,
        description="Also write densities as the reference program computes them (NAME.compat.mrc)",
    )
    seed: Annotated[int, Field(ge=0)] = Field(default=0, description="Seed of everything random")
    engine: Annotated[str, Field(pattern=r"^(local|dask(:.+)?)$")] = Field(
        default="local",
        description="local: threads of this process; dask or dask:ADDRESS: a Dask cluster",
    )
    device: Literal["cpu", "gpu"] = Field(default="cpu", description="Where distances are computed")
    precision: Literal["auto", "double", "mixed"] = Field(
        default="auto",
        description="double: errors below 1e-6 Å; mixed: below 1e-3 Å, twice as fast; "
        "auto: double up to a million pairs",
    )
    memory: str | None = Field(
        default=None, description="Memory that may be taken, such as 4G; what is at hand if absent"
    )
    threads: Annotated[int, Field(gt=0)] | None = Field(
        default=None, description="Threads; all available cores if absent"
    )
    strict: bool = Field(
        default=False, description="Treat any input that had to be left out as an error"
    )

    @field_validator("frames")
    @classmethod
    def _check_frames(cls, value: tuple[float, float]) -> tuple[float, float]:
        first, last = value
        if not 0 <= first < last <= 1:
            raise ValueError("must be two fractions with 0 <= first < last <= 1")
        return value

    @model_validator(mode="after")
    def _check_together(self) -> ClusterConfig:
        if self.clusters is not None and self.threshold is not None:
            raise ValueError("give clusters or threshold, not both")
        if self.align == "none" and self.align_on:
            raise ValueError("align_on needs align = center or superpose")
        if self.swaps and self.copies == "off":
            raise ValueError("swaps need copies = auto")
        if self.threshold is not None and self.method not in ("threshold", "hierarchical"):
            raise ValueError(
                f"method {self.method} takes no threshold; choose method threshold or hierarchical"
            )
        if self.method == "threshold" and self.threshold is None:
            raise ValueError("method threshold needs a threshold in Å")
        if self.method == "hdbscan" and self.clusters is not None:
            raise ValueError("method hdbscan finds the number of clusters itself")
        for name in self.densities:
            if not name or "/" in name or name.startswith(".") or not name.isprintable():
                raise ValueError(f"density name {name!r} cannot be a file name")
        return self

    @classmethod
    def checked(cls, data: dict[str, Any], *, where: str = "the options") -> ClusterConfig:
        """
        Validate options and speak of them in the user's words.

        Parameters
        ----------
        data : dict
            Options by field name.
        where : str
            Where they come from, for the message.

        Returns
        -------
        config : ClusterConfig
            The checked options.

        Raises
        ------
        ConfigError
            If an option is unknown or has an impossible value.
        """
        try:
            return cls(**data)
        except ValidationError as error:
            first = error.errors()[0]
            message, hint = _unknown(first) if first["type"] == "extra_forbidden" else ("", "")
            raise ConfigError(f"{where}: {message or _sentence(first)}", hint=hint) from None


def _unknown(error: ErrorDetails) -> tuple[str, str]:
    name, known = str(error["loc"][0]), list(ClusterConfig.model_fields)
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"Did you mean '{near[0]}'?" if near else f"Options are: {', '.join(known)}."
    return f"there is no option '{name}'", hint


def _sentence(error: ErrorDetails) -> str:
    message = error["msg"].removeprefix("Value error, ")
    if not error["loc"]:
        return message
    field = str(error["loc"][0])
    if field in _EXPECTED:
        return f"option '{field}' is {error['input']!r}, expected {_EXPECTED[field]}"
    name = ".".join(str(part) for part in error["loc"])
    if error["type"] == "value_error":
        return f"option '{name}': {message}"
    expected = message.removeprefix("Input should be ").partition(", unable")[0]
    return f"option '{name}' is {error['input']!r}, expected {expected}"


_EXPECTED = {
    "state": "a number from 0 on, or 'all'",
    "members": "'auto', 'all', 'center', 'none' or a number from 1 on",
}


def load_config(path: Path) -> dict[str, Any]:
    """
    Read options from a TOML file.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    data : dict
        Options by field name, not checked yet.

    Raises
    ------
    InputError
        If the file cannot be read.
    ConfigError
        If it is not TOML.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot read the configuration {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not a text file") from error
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            f"{path} is not valid TOML: {error}", hint="'congruence init RUNS' writes a valid one."
        ) from error


def toml_text(config: ClusterConfig, *, comments: bool = False) -> str:
    """
    Write a configuration as TOML.

    Parameters
    ----------
    config : ClusterConfig
        The options; absent ones are written as comments.
    comments : bool
        Whether to put each option's description above it.

    Returns
    -------
    text : str
        TOML that `load_config` reads back to the same options.

    Examples
    --------
    >>> toml_text(ClusterConfig(align="none")).splitlines()[0]
    'runs = []'
    """
    lines: list[str] = []
    tables: list[str] = []
    for name, field in ClusterConfig.model_fields.items():
        value = getattr(config, name)
        if comments and field.description:
            lines.append(f"# {field.description}")
        if isinstance(value, dict):
            tables += [f"[{name}]", *(f"{_toml(k)} = {_toml(v)}" for k, v in value.items())]
            if comments:
                lines.append(f"# (the table [{name}] is at the end)")
        else:
            lines.append(f"# {name} =" if value is None else f"{name} = {_toml(value)}")
        if comments:
            lines.append("")
    return "\n".join([*lines, "", *tables]).rstrip("\n") + "\n"


def _toml(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case str():
            return _toml_string(value)
        case tuple() | list():
            return "[" + ", ".join(_toml(v) for v in value) + "]"
    raise ConfigError(f"cannot write {value!r} as TOML")


def _toml_string(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    for raw, code in (("\n", "\\n"), ("\t", "\\t"), ("\r", "\\r")):
        escaped = escaped.replace(raw, code)
    escaped = "".join(c if c >= " " and c != "\x7f" else f"\\u{ord(c):04x}" for c in escaped)
    return f'"{escaped}"'
