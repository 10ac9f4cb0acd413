"""What ``congruence exhaust`` is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from congruence.compute.exhaustiveness import LEAST_MODELS
from congruence.compute.exhaustiveness_verdicts import Settings
from congruence.errors import ConfigError
from congruence.workflow.memory import parse_bytes
from congruence.workflow.resources import SCAN_MODELS, Resources

if TYPE_CHECKING:
    from pathlib import Path

    from congruence.workflow.samples import Split

__all__ = ["ExhaustOptions"]


@dataclass(frozen=True)
class ExhaustOptions:
    """
    Everything that ``congruence exhaust`` is told.

    Parameters
    ----------
    name : str
        Name of the system, for files and sentences.
    align : {"none", "center", "superpose"} or None
        The one distance; may be absent for a distance matrix only.
    compat : bool
        Choose by the definitions of the reference program and write its files.
    step : float or None
        Distance of thresholds in Å.
    threshold : float or None
        Cluster at this threshold in Å instead.
    smallest : int
        Models of each sample that a kept cluster has at least.
    rmsd : tuple of str
        Selections that are measured; all beads if empty.
    copies : {"auto", "off"}
        Whether copies of a molecule may take each other's place; off in
        compat mode unless `symmetry` is given.
    symmetry : Path or None
        File of interchangeable units.
    weights : {"residues", "none"}
        Weight of a bead; none in compat mode.
    densities : dict of str to str
        Name and selection of each map.
    voxel, map_resolution : float
        Of the maps, in Å.
    scores : tuple of (Path, Path) or None
        Score files of A and B.
    sizes : tuple of (int, int) or None
        Models of A and B in a distance matrix.
    split : {"run", "folder", "random"}
        How runs become samples.
    choice : dict
        How models of runs are chosen.
    resolution : float
        Residues per bead to read.
    state : int or "all"
        State to read.
    published : Path or None
        Folder of an earlier run of the protocol to compare with.
    seed : int
        Seed of everything random.
    scan_models : int
        Up to so many models are scanned, all of them; of more a stratified sample
        of so many, never in compat mode.
    uncertainty : bool
        Whether to resample runs, where they are known.
    engine, device : str
        What computes distances, see `congruence.workflow.resources.Resources`.
    memory : str or None
        Memory that may be taken, such as ``"4G"``; what is at hand by default.
    threads : int or None
        Threads; all available cores by default.

    Raises
    ------
    ConfigError
        If an option has an impossible value.
    """

    name: str
    align: str | None = None
    compat: bool = False
    step: float | None = None
    threshold: float | None = None
    smallest: int = 11
    rmsd: tuple[str, ...] = ()
    copies: Literal["auto", "off"] = "auto"
    symmetry: Path | None = None
    weights: Literal["residues", "none"] = "residues"
    densities: dict[str, str] = field(default_factory=dict)
    voxel: float = 5.0
    map_resolution: float = 20.0
    scores: tuple[Path, Path] | None = None
    sizes: tuple[int, int] | None = None
    split: Split = "run"
    choice: dict[str, Any] = field(default_factory=dict)
    resolution: float = 1.0
    state: int | Literal["all"] = 0
    published: Path | None = None
    seed: int = 0
    scan_models: int = SCAN_MODELS
    uncertainty: bool = True
    engine: str = "local"
    device: Literal["cpu", "gpu"] = "cpu"
    memory: str | None = None
    threads: int | None = None

    def __post_init__(self) -> None:
        if not self.name or "/" in self.name or self.name.startswith("."):
            raise ConfigError(f"the name {self.name!r} cannot begin a file name")
        for name in self.densities:
            if not name or "/" in name or name.startswith("."):
                raise ConfigError(f"density name {name!r} cannot be a file name")
        for word, value in (("step", self.step), ("threshold", self.threshold), ("voxel", self.voxel)):  # fmt: skip
            if value is not None and not value > 0:
                raise ConfigError(f"{word} is {value}, expected a positive number of Å")
        if self.engine != "local" and self.engine.partition(":")[0] != "dask":
            raise ConfigError(f"engine is {self.engine!r}, expected local, dask or dask:ADDRESS")
        if self.scan_models < LEAST_MODELS:
            raise ConfigError(
                f"scan_models is {self.scan_models}, expected {LEAST_MODELS} models or more"
            )
        if self.memory is not None:
            parse_bytes(self.memory)

    @property
    def settings(self) -> Settings:
        """The part that `assess` is told."""
        mode: Literal["right", "compat"] = "compat" if self.compat else "right"
        return Settings(mode, self.step, self.threshold, self.smallest, seed=self.seed)

    @property
    def resources(self) -> Resources:
        """What distances are computed with."""
        memory = None if self.memory is None else parse_bytes(self.memory)
        return Resources(self.engine, self.device, memory=memory, threads=self.threads)
