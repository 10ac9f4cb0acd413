"""``IMP.pmi.macros.AnalysisReplicaExchange0``: names and files of the reference, our steps."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from congruence.core.provenance import Losses
from congruence.errors import ConfigError
from congruence.pmi.choosing import Wishes, find_stat_files
from congruence.pmi.job import ClusteringJob
from congruence.pmi.lending import not_provided
from congruence.pmi.voice import current_reporter
from congruence.pmi.what import What

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from congruence.pmi.analysis import Clustering

__all__ = ["AnalysisReplicaExchange0"]


class AnalysisReplicaExchange0:
    """
    Cluster the best-scoring models of one or several sampling runs.

    Parameters
    ----------
    model : object
        Ignored.
    merge_directories : sequence of str
        Folders of the runs, relative to the working directory.
    stat_file_name_suffix : str
        First part of the name of stat files.
    best_pdb_name_suffix : str
        Ignored.
    do_clean_first : bool
        Remove files that an earlier clustering left in `outputdir` and that
        are not written again; only files that its manifest lists.
    do_create_directories : bool
        Make `outputdir` when it is missing.
    global_output_directory : str
        Output folder of each run, relative to it.
    replica_stat_file_suffix, global_analysis_result_directory : str
        Ignored.
    test_mode : bool
        Ignored.

    Attributes
    ----------
    stat_files : list of str
        Stat files in the order in which they are read; RMF files where a run
        has no stat files. May be edited before `clustering`.
    cluster_obj : Clustering or None
        What `clustering` found.
    """

    def __init__(  # noqa: PLR0913 - the signature of the reference
        self,
        model: object,
        merge_directories: Sequence[str] = ("./",),
        stat_file_name_suffix: str = "stat",
        best_pdb_name_suffix: str = "model",
        do_clean_first: bool = True,
        do_create_directories: bool = True,
        global_output_directory: str = "output/",
        replica_stat_file_suffix: str = "stat_replica",
        global_analysis_result_directory: str = "./analysis/",
        test_mode: bool = False,
    ) -> None:
        if isinstance(merge_directories, str):
            merge_directories = [merge_directories]
        self.model = model
        self.stat_files = find_stat_files(
            merge_directories, global_output_directory, suffix=stat_file_name_suffix
        )
        self.cluster_obj: Clustering | None = None
        self._clean = do_clean_first
        self._create = do_create_directories
        self.losses = Losses()

    def add_protocol_output(self, p: object) -> None:
        """
        Accept a protocol output and ignore it, with a warning.

        Parameters
        ----------
        p : object
            Ignored.
        """
        current_reporter().warn(
            "add_protocol_output is ignored: congruence does not write the mmCIF of a deposition here"
        )

    def get_modeling_trajectory(self, *arguments: Any, **keywords: Any) -> None:
        """
        Raise: it is not provided.

        Parameters
        ----------
        *arguments, **keywords : Any
            Ignored.

        Raises
        ------
        NotProvidedError
            Always, with the native way.
        """
        raise not_provided(f"IMP.pmi.macros.{type(self).__name__}.get_modeling_trajectory")

    def get_cluster_rmsd(self, num: int) -> float:
        """
        Return the average RMSD within a cluster.

        Parameters
        ----------
        num : int
            Number of the cluster.

        Returns
        -------
        rmsd : float
            In Å.

        Raises
        ------
        ConfigError
            If `clustering` has not been called.
        """
        if self.cluster_obj is None:
            raise ConfigError("there are no clusters yet", hint="Call clustering(...) first.")
        return self.cluster_obj.get_cluster_label_average_rmsd(num)

    def clustering(  # noqa: PLR0913 - the signature of the reference
        self,
        score_key: str = "Total_Score",
        rmf_file_key: str = "rmf_file",
        rmf_file_frame_key: str = "rmf_frame_index",
        state_number: int = 0,
        prefiltervalue: float | None = None,
        feature_keys: Sequence[str] = (),
        outputdir: str = "./",
        alignment_components: Mapping[str, Any] | None = None,
        number_of_best_scoring_models: int = 10,
        rmsd_calculation_components: Mapping[str, Any] | None = None,
        distance_matrix_file: str = "distances.mat",
        load_distance_matrix_file: bool = False,
        skip_clustering: bool = False,
        number_of_clusters: int = 1,
        display_plot: bool = False,
        exit_after_display: bool = True,
        get_every: int = 1,
        first_and_last_frames: tuple[float, float] | None = None,
        density_custom_ranges: Mapping[str, Any] | None = None,
        write_pdb_with_centered_coordinates: bool = False,
        voxel_size: float = 5.0,
    ) -> None:
        """
        Choose models, compare them, part them into clusters and write these.

        Parameters
        ----------
        score_key : str
            Column to rank by; ``SimplifiedModel_Total_Score_None`` is used, with
            a warning, where only that is there.
        rmf_file_key, rmf_file_frame_key : str
            Only the default names can be read.
        state_number : int
            Position of the state that is analysed, from 0.
        prefiltervalue : float, optional
            Only models with a score strictly below.
        feature_keys : sequence of str
            Columns whose name contains one of these texts go to ``stat.out``.
        outputdir : str
            Folder for ``cluster.N/`` (or ``all_models.0/``) and the plot.
        alignment_components : mapping of str to selection, optional
            What is superposed, without weights; None leaves models as they are.
        number_of_best_scoring_models : int
            How many models.
        rmsd_calculation_components : mapping of str to selection
            What is measured, weighted by residues.
        distance_matrix_file : str
            Stem of ``.npy`` and ``.json``.
        load_distance_matrix_file : bool
            Read that matrix and its models instead of computing it.
        skip_clustering : bool
            Only write the chosen models.
        number_of_clusters : int
            Number of clusters.
        display_plot : bool
            Write ``dist_matrix.pdf``.
        exit_after_display : bool
            With `display_plot`, end the script with status 0 after the plot,
            before clusters are written.
        get_every : int
            Keep lines of stat files whose number this divides, the header
            being line 1.
        first_and_last_frames : tuple of float, optional
            Fractions of the joined list of all files.
        density_custom_ranges : mapping of str to list of selections, optional
            Densities to write.
        write_pdb_with_centered_coordinates : bool
            Remove the mean of the written beads from PDB files.
        voxel_size : float
            Edge of a voxel in Å.

        Raises
        ------
        ConfigError
            If an argument cannot be used, or there are fewer models than clusters.
        InputError
            If there are no models.
        SelectionError
            If a component selects nothing.
        OutputError
            If `outputdir` cannot be written.
        """
        if (rmf_file_key, rmf_file_frame_key) != ("rmf_file", "rmf_frame_index"):
            raise ConfigError(
                f"rmf_file_key is {rmf_file_key!r} and rmf_file_frame_key {rmf_file_frame_key!r}; "
                "only 'rmf_file' and 'rmf_frame_index' can be read",
                hint="Leave both at their defaults: PMI writes these columns.",
            )
        job = ClusteringJob(
            stat_files=[str(path) for path in self.stat_files],
            wishes=Wishes(
                score_key=score_key,
                number_of_best_scoring_models=number_of_best_scoring_models,
                prefiltervalue=prefiltervalue,
                get_every=get_every,
                first_and_last_frames=first_and_last_frames,
                feature_keys=tuple(feature_keys),
            ),
            what=What(
                measured=rmsd_calculation_components,
                superposed=alignment_components,
                densities=dict(density_custom_ranges or {}),
                state_number=state_number,
                voxel=float(voxel_size),
                centered=write_pdb_with_centered_coordinates,
            ),
            losses=self.losses,
        )
        folder = job.open_folder(outputdir, create=self._create, clean=self._clean)
        if skip_clustering:
            job.read()
            job.write_all_models(folder)
            return
        if load_distance_matrix_file:
            job.load(distance_matrix_file)
        else:
            job.read()
            job.compare()
        self.cluster_obj = job.cluster(number_of_clusters)
        job.save(distance_matrix_file, matrix_too=not load_distance_matrix_file)
        if display_plot:
            with folder.file("dist_matrix.pdf") as part:
                self.cluster_obj.plot_matrix(str(part))
            if exit_after_display:
                sys.exit(0)
        job.write_clusters(folder)
