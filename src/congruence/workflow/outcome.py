"""What a result folder is made from: models, distances, clusters, and how."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from congruence.core.provenance import Losses, versions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from congruence.compute.metric import Metric
    from congruence.core.ensemble import Ensemble
    from congruence.core.results import Clustering, DistanceMatrix
    from congruence.workflow.config import ClusterConfig
    from congruence.workflow.describing import Description
    from congruence.workflow.frames import FramePool

__all__ = ["Job"]


@dataclass(frozen=True, eq=False)
class Job:
    """
    What a result folder is made from.

    Parameters
    ----------
    ensemble : Ensemble
        The models.
    matrix : DistanceMatrix
        Their distances.
    clustering : Clustering
        Their clusters.
    metric : Metric
        The definition behind `matrix`; placements of members use it.
    config : ClusterConfig
        Options for what is written; kept as ``config.toml``.
    pool : FramePool or None
        RMF files that the models came from.
    total : int
        Models there were to choose from.
    log : tuple of str
        What was done before, in words.
    exhaustiveness : str
        What a test of exhaustiveness would tell, in one line.
    inputs : tuple of str
        Files that were read beside those of the models.
    earlier : tuple of mapping
        What the job that this one continues has recorded of its inputs.
    streamed : Description, optional
        What is known of distances that were not kept; `matrix` is then that
        of its sample.
    notes : mapping of str to Any
        On the distances, for ``run.json``.
    """

    ensemble: Ensemble
    matrix: DistanceMatrix
    clustering: Clustering
    metric: Metric
    config: ClusterConfig
    pool: FramePool | None = None
    total: int = 0
    log: tuple[str, ...] = ()
    exhaustiveness: str = ""
    inputs: tuple[str, ...] = ()
    earlier: tuple[Mapping[str, Any], ...] = ()
    streamed: Description | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def losses(self) -> Losses:
        """What could not be used."""
        return self.pool.losses if self.pool is not None else Losses()

    @property
    def words(self) -> tuple[str, ...]:
        """Sentences that say how the result was made."""
        definition = "; ".join(f"{k} {v}" for k, v in self.matrix.definition.items())
        return (
            f"congruence {versions()['congruence']}; alignment {self.matrix.alignment}; "
            f"weights {self.matrix.weights}; seed {self.config.seed}",
            *((definition,) if definition else ()),
        )
