"""
What a job computes with: memory, threads, precision, engine, device.

None of it changes what a result means; distances agree within 1e-3 Å between
engines and devices, and are the same bytes on one machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from congruence.errors import ConfigError
from congruence.workflow.memory import memory_at_hand, parse_bytes

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from congruence.compute._tiles import Precision
    from congruence.compute.tiler import Tiler
    from congruence.workflow.config import ClusterConfig

__all__ = ["CHECKPOINT_PAIRS", "EXACT_PAIRS", "SAMPLE", "SCAN_MODELS", "Resources"]

CHECKPOINT_PAIRS = 50_000_000
"""From so many pairs on (10,000 models) tiles of distances are kept until the job is done."""
EXACT_PAIRS = 2_000_000_000
"""Up to so many pairs (63,000 models) clusters from samples are described by all distances."""
SCAN_MODELS = 100_000
"""Up to so many models thresholds are scanned with all of them (10 GB of bins)."""
SAMPLE = 3000
"""Models that stand for all where the distances of all are not kept."""


@dataclass(frozen=True, slots=True)
class Resources:
    """
    What a job computes with.

    Parameters
    ----------
    engine : str
        ``"local"``: threads of this process; ``"dask"``: a Dask cluster on this
        machine; ``"dask:ADDRESS"``: one that is there.
    device : {"cpu", "gpu"}
        Where distances are computed.
    precision : {"auto", "double", "mixed"}
        See `congruence.compute.rmsd.rmsd_matrix`.
    memory : int, optional
        Bytes that may be taken; what is at hand by default.
    threads : int, optional
        Threads; all available cores by default.
    checkpoint_pairs : int
        Number of pairs from which on tiles of distances are a checkpoint.
    exact_pairs : int
        Number of pairs up to which all distances are computed to describe
        clusters that were found without them.
    sample : int
        Models that stand for all where the distances of all are not kept. It
        does not depend on the memory, so that results do not.

    Raises
    ------
    ConfigError
        If there is no such engine.
    """

    engine: str = "local"
    device: Literal["cpu", "gpu"] = "cpu"
    precision: Precision = "auto"
    memory: int | None = None
    threads: int | None = None
    checkpoint_pairs: int = CHECKPOINT_PAIRS
    exact_pairs: int = EXACT_PAIRS
    sample: int = SAMPLE

    def __post_init__(self) -> None:
        kind, colon, address = self.engine.partition(":")
        if self.engine != "local" and (kind != "dask" or (colon and not address)):
            raise ConfigError(
                f"engine is {self.engine!r}, expected local, dask or dask:ADDRESS",
                hint="The address of a Dask cluster is what its scheduler prints, such as "
                "dask:tcp://node7:8786.",
            )

    @classmethod
    def of(cls, config: ClusterConfig) -> Resources:
        """
        Take them from a configuration.

        Parameters
        ----------
        config : ClusterConfig
            The job.

        Returns
        -------
        resources : Resources
            What it says.
        """
        memory = None if config.memory is None else parse_bytes(config.memory)
        return cls(config.engine, config.device, config.precision, memory, config.threads)

    @property
    def bytes(self) -> int:
        """Bytes that may be taken."""
        return memory_at_hand() if self.memory is None else self.memory

    @property
    def engine_kind(self) -> str:
        """``"local"`` or ``"dask"``, without the address, for the record of a result."""
        return self.engine.partition(":")[0]

    @property
    def elsewhere(self) -> bool:
        """Whether distances may come from another processor, and differ by up to 1e-3 Å."""
        return self.engine != "local" or self.device != "cpu"

    def kept(
        self, out: Path | None = None, say: Callable[[str], None] = lambda text: None
    ) -> AbstractContextManager[None]:
        """
        Keep the connection to a Dask cluster for all steps inside, if that is the engine.

        Parameters
        ----------
        out : Path, optional
            Result folder; what workers need is written to ``OUT.dask`` and removed.
        say : callable, optional
            Told of the connection, which is made when the first step needs it.

        Returns
        -------
        context : context manager
            As `congruence.workflow.dask_cluster.keep_engine`.
        """
        from congruence.workflow.dask_cluster import keep_engine

        return keep_engine(self.engine, out=out, workers=self.threads, say=say)

    def tiler(self) -> Tiler:
        """
        Return what computes distances.

        Returns
        -------
        tiler : Tiler
            Of this process, of a graphics card, or of a Dask cluster.

        Raises
        ------
        ConfigError
            If an extra is not installed or a device is not there.
        """
        if self.engine != "local":
            from congruence.workflow.dask_engine import DaskTiler

            return DaskTiler(self.engine.partition(":")[2], device=self.device)
        if self.device == "gpu":
            from congruence.compute.device import DeviceTiler

            return DeviceTiler("gpu")
        from congruence.compute.rmsd import rmsd_tiles

        return rmsd_tiles
