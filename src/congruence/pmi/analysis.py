"""
What scripts use of ``IMP.pmi.analysis``.

`Alignment`, `Clustering`, `GetModelDensity` and `Precision`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from congruence.errors import ConfigError, InputError
from congruence.pmi.labelled import label_models
from congruence.pmi.model_density import GetModelDensity, get_hiers_from_rmf
from congruence.pmi.outputs import whole_file
from congruence.pmi.precision import Precision

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from congruence.core import results
    from congruence.core.placement import Placement
    from congruence.typing import FloatArray

__all__ = ["Alignment", "Clustering", "GetModelDensity", "Precision", "get_hiers_from_rmf"]


class Alignment:
    """
    Compare two models of labelled points; labels alike before ``..`` are interchangeable.

    Parameters
    ----------
    template, query : mapping of str to sequence of points
        Points of three coordinates in Å. The labels of `query` count.
    weights : mapping of str to sequence of float, optional
        Weights of the points in `get_rmsd`.

    Examples
    --------
    >>> one = {"a": [(0, 0, 0)], "b": [(1, 1, 1)]}
    >>> two = {"a": [(0, 0, 0)], "b": [(2, 1, 1)]}
    >>> round(Alignment(one, two).get_rmsd(), 6)
    0.707107
    """

    def __init__(
        self,
        template: Mapping[str, Sequence[Any]],
        query: Mapping[str, Sequence[Any]],
        weights: Mapping[str, Sequence[float]] | None = None,
    ) -> None:
        self._models = label_models([template, query])
        self._weights = weights

    def get_rmsd(self) -> float:
        """
        Return the weighted RMSD as the models are, over the best assignment.

        Returns
        -------
        rmsd : float
            In Å.
        """
        from congruence.compute.rmsd import rmsd_matrix

        metric = self._models.metric(self._weights, None)
        return float(rmsd_matrix(self._models.coordinates, metric, precision="double").condensed[0])

    def align(self) -> tuple[float, Placement]:
        """
        Superpose the query on the template, without weights.

        Returns
        -------
        rmsd : float
            RMSD without weights after superposition, in Å.
        placement : Placement
            Its rotation and translation bring the query onto the template.
        """
        from congruence.compute.rmsd import place, rmsd_matrix

        metric = self._models.metric(None, self._models.labels)
        rmsd = float(rmsd_matrix(self._models.coordinates, metric, precision="double").condensed[0])
        return rmsd, place(self._models.coordinates, [1], 0, metric)[0]


class Clustering:
    """
    Models, their distances and their clusters.

    Parameters
    ----------
    rmsd_weights : mapping of str to sequence of float, optional
        Weights of the points of each label in the RMSD.
    """

    def __init__(self, rmsd_weights: Mapping[str, Sequence[float]] | None = None) -> None:
        self.rmsd_weights = rmsd_weights
        self.all_coords: dict[str, Mapping[str, Sequence[Any]]] = {}
        self.tmpl_coords: Mapping[str, Sequence[Any]] | None = None
        self._matrix: results.DistanceMatrix | None = None
        self._clustering: results.Clustering | None = None

    @classmethod
    def of(
        cls, matrix: results.DistanceMatrix, clustering: results.Clustering | None = None
    ) -> Clustering:
        """
        Make one of finished results.

        Parameters
        ----------
        matrix : DistanceMatrix
            Distances, with the names of the models.
        clustering : Clustering, optional
            Clusters of `congruence.compute.clustering`.

        Returns
        -------
        clustering : Clustering
            The same in the words of the reference.
        """
        new = cls()
        new._matrix, new._clustering = matrix, clustering
        return new

    def set_template(self, part_coords: Mapping[str, Sequence[Any]]) -> None:
        """
        Superpose models before they are compared.

        Parameters
        ----------
        part_coords : mapping of str to sequence of points
            Its labels name what is superposed.
        """
        self.tmpl_coords = part_coords

    def fill(self, frame: str, coords: Mapping[str, Sequence[Any]]) -> None:
        """
        Add a model.

        Parameters
        ----------
        frame : str
            Name of the model; a name used before replaces that model.
        coords : mapping of str to sequence of points
            Points in Å by label.
        """
        self.all_coords[str(frame)] = coords

    def dist_matrix(self) -> None:
        """
        Compute the distances of all models.

        Raises
        ------
        ShapeError
            If there are no models, or they differ in labels or points.
        """
        from congruence.compute.rmsd import rmsd_matrix
        from congruence.core.results import DistanceMatrix

        models = label_models(list(self.all_coords.values()))
        metric = models.metric(self.rmsd_weights, self.tmpl_coords)
        made = rmsd_matrix(models.coordinates, metric, precision="double")
        weights: results.Weights = "none" if self.rmsd_weights is None else "residues"
        self._matrix = DistanceMatrix(
            made.condensed, made.m, made.alignment, weights, tuple(self.all_coords), made.definition
        )

    @property
    def raw_distance_matrix(self) -> FloatArray:
        """Square matrix of distances in Å, shape (m, m)."""
        return self._distances().square()

    @property
    def model_list_names(self) -> list[str]:
        """Names of the models, in the order of the matrix."""
        return list(self._distances().names)

    @property
    def structure_cluster_ids(self) -> list[int]:
        """Cluster of each model."""
        return [int(label) for label in self._clusters().labels]

    def get_dist_matrix(self) -> FloatArray:
        """
        Return the distances.

        Returns
        -------
        matrix : ndarray, dtype=float64, shape=(m,m)
            In Å.
        """
        return self.raw_distance_matrix

    def do_cluster(self, number_of_clusters: int, seed: int | None = None) -> None:
        """
        Part the models by k-means on the rows of the matrix, best of 50 starts.

        Parameters
        ----------
        number_of_clusters : int
            Number of clusters.
        seed : int, optional
            Seed; 0 when absent, so that results repeat.

        Raises
        ------
        ConfigError
            If there are fewer models than clusters.
        """
        from congruence.compute.clustering import cluster

        self._clustering = cluster(
            self._distances(), method="kmeans", k=number_of_clusters, seed=seed or 0
        )

    def get_cluster_labels(self) -> list[int]:
        """
        Return the numbers of the clusters.

        Returns
        -------
        labels : list of int
            0, 1, ...; 0 is the largest cluster.
        """
        return [c.index for c in self._clusters().clusters]

    def get_cluster_label_indexes(self, label: int) -> list[int]:
        """
        Return the members of a cluster.

        Parameters
        ----------
        label : int
            Number of the cluster.

        Returns
        -------
        members : list of int
            Model indices, best score first.
        """
        return [int(i) for i in self._cluster(label).members]

    def get_cluster_label_names(self, label: int) -> list[str]:
        """
        Return the names of the members of a cluster.

        Parameters
        ----------
        label : int
            Number of the cluster.

        Returns
        -------
        names : list of str
            Best score first.
        """
        names = self._distances().names
        return [names[i] for i in self._cluster(label).members]

    def get_cluster_label_average_rmsd(self, label: int) -> float:
        """
        Return the mean distance between two different members.

        Parameters
        ----------
        label : int
            Number of the cluster.

        Returns
        -------
        rmsd : float
            In Å; 0 for one member.
        """
        return self._cluster(label).average_rmsd

    def get_cluster_label_size(self, label: int) -> int:
        """
        Return the number of members.

        Parameters
        ----------
        label : int
            Number of the cluster.

        Returns
        -------
        size : int
            Members.
        """
        return self._cluster(label).size

    def plot_matrix(self, figurename: str = "clustermatrix.pdf") -> None:
        """
        Draw the matrix ordered by cluster, with the tree of its distances.

        Parameters
        ----------
        figurename : str
            File to write; its suffix says the format.
        """
        from congruence.plots.matrix import matrix_data, plot_matrix
        from congruence.plots.style import house

        figure = plot_matrix(matrix_data(self._distances(), self._clustering))
        path = Path(figurename)
        with whole_file(path) as part, house():
            dated = path.suffix == ".pdf"
            figure.savefig(part, metadata={"CreationDate": None} if dated else None)

    def save_distance_matrix_file(self, file_name: str) -> None:
        """
        Write ``FILE_NAME.npy`` and ``FILE_NAME.json``.

        Parameters
        ----------
        file_name : str
            Path without the added suffixes.
        """
        from congruence.pmi.matrix_file import save_matrix

        labels = self.structure_cluster_ids if self._clustering else []
        save_matrix(file_name, self._distances(), {"labels": labels})

    def load_distance_matrix_file(self, file_name: str) -> None:
        """
        Read what `save_distance_matrix_file` wrote.

        Parameters
        ----------
        file_name : str
            Path without the added suffixes.

        Raises
        ------
        InputError
            If the files are missing, or are pickles of the reference.
        """
        from congruence.compute.partition import describe_partition
        from congruence.pmi.matrix_file import load_matrix

        self._matrix, about = load_matrix(file_name)
        labels = np.array(about.get("labels", ()), dtype=np.int64)
        known = len(labels) == self._matrix.m
        self._clustering = (
            describe_partition(self._matrix, labels, method="kmeans") if known else None
        )

    def _distances(self) -> results.DistanceMatrix:
        if self._matrix is None:
            raise ConfigError(
                "there are no distances yet", hint="Call fill(...) and then dist_matrix() first."
            )
        return self._matrix

    def _clusters(self) -> results.Clustering:
        if self._clustering is None:
            raise ConfigError("there are no clusters yet", hint="Call do_cluster(k) first.")
        return self._clustering

    def _cluster(self, label: int) -> results.Cluster:
        clusters = self._clusters().clusters
        if not 0 <= label < len(clusters):
            raise InputError(
                f"there is no cluster {label}", hint=f"Clusters are 0 to {len(clusters) - 1}."
            )
        return clusters[label]
