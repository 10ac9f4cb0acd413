"""``IMP.pmi.analysis.Precision``: its names, its numbers, its files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from congruence.errors import ConfigError, SelectionError
from congruence.pmi.outputs import whole_file
from congruence.pmi.structure_sets import ALL, StructureSets, last_copies, no_selection
from congruence.pmi.voice import current_reporter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from congruence.core.precision import CompatPrecision, ReferenceStructure
    from congruence.pmi.structure_sets import Structures
    from congruence.typing import FloatArray, IntArray

__all__ = ["Precision"]


class Precision(StructureSets):
    """
    Precision within and between sets of models, fluctuation, accuracy.

    The numbers are those of the reference: distances of models as they are,
    self pairs included in averages, of several copies of a molecule the last
    one. ``congruence precision`` gives the right ones. Unlike the reference it
    leaves `selection_dictionary` alone; the selection ``"All"`` is always
    there and always last.

    Parameters
    ----------
    model : object
        Ignored.
    resolution : int
        Residues per bead, 1 or 10.
    selection_dictionary : mapping of str to list of PMI selections
        Named selections; may be replaced between calls.

    Attributes
    ----------
    selection_dictionary : dict
        The named selections, without ``"All"``.
    style : str
        Style of the distance.
    threshold : float
        Threshold of ``"pairwise_drmsd_Q"`` in Å.
    """

    def __init__(
        self,
        model: object,
        resolution: int = 1,
        selection_dictionary: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(model, resolution, selection_dictionary)
        self.style = "pairwise_drmsd_k"
        self.threshold = 40.0
        self._reference: ReferenceStructure | None = None

    def set_precision_style(self, style: str) -> None:
        """
        Choose the distance.

        Parameters
        ----------
        style : {"pairwise_rmsd", "pairwise_drmsd_k", "pairwise_drms_k", "pairwise_drmsd_Q"}
            See `congruence.compute.pair_styles`.

        Raises
        ------
        ConfigError
            If there is no such style.
        """
        from congruence.compute.pair_styles import STYLES

        if style not in STYLES:
            raise ConfigError(
                f"there is no style {style!r}", hint=f"Styles are: {', '.join(STYLES)}."
            )
        self.style = style

    def set_threshold(self, threshold: float) -> None:
        """
        Set the threshold of ``"pairwise_drmsd_Q"``.

        Parameters
        ----------
        threshold : float
            In Å.
        """
        self.threshold = float(threshold)

    def get_precision(
        self,
        structure_set_name1: str,
        structure_set_name2: str,
        outfile: str | None = None,
        skip: int = 1,
        selection_keywords: Sequence[str] | None = None,
    ) -> int:
        """
        Compute the precision within a set or between two sets.

        Parameters
        ----------
        structure_set_name1, structure_set_name2 : str
            The sets; twice the same for the precision within.
        outfile : str, optional
            File to write.
        skip : int
            Use models 0, skip, 2 skip, ... of each set.
        selection_keywords : sequence of str, optional
            Selections to use; all by default.

        Returns
        -------
        center : int
            Index of the center for the last selection; 0 for two sets.

        Raises
        ------
        InputError
            If there is no such set.
        SelectionError
            If a selection selects nothing, or there is none of this name.
        """
        from congruence.io.precision_files import between_lines, within_lines, write_lines

        one, two = self._set(structure_set_name1), self._set(structure_set_name2)
        center, lines = 0, []
        for name, beads in self._selections(selection_keywords).items():
            if one is two:
                found = self._within(one, beads, skip)
                center = found.center
                lines += within_lines(name, structure_set_name1, found, one.frames[center])
            else:
                cross = self._distances(
                    one.coordinates[::skip, beads], two.coordinates[::skip, beads]
                )
                names = structure_set_name1, structure_set_name2
                lines += between_lines(name, *names, float(cross.mean()))
        for line in lines:
            current_reporter().say(line)
        if outfile is not None:
            with whole_file(Path(outfile)) as part:
                write_lines(part, lines)
        return center

    def _within(self, models: Structures, beads: IntArray, skip: int) -> CompatPrecision:
        from congruence.compute.precision import compat_precision

        points = models.coordinates[:, beads]
        return compat_precision(self._distances(points, points), skip=skip)

    def _distances(self, one: FloatArray, two: FloatArray) -> FloatArray:
        from congruence.compute.pair_styles import style_distances

        return style_distances(one, two, self.style, threshold=self.threshold)

    def get_rmsf(
        self,
        structure_set_name: str,
        outdir: str = "./",
        skip: int = 1,
        set_plot_yaxis_range: tuple[float, float] | None = None,
    ) -> None:
        """
        Write ``rmsf.NAME.dat`` and ``rmsf.NAME.pdf`` of molecules.

        Written is the standard deviation of a bead's distances to its place
        in the center, which the reference calls RMSF, for each molecule whose
        name is the name of a selection.

        Parameters
        ----------
        structure_set_name : str
            The set.
        outdir : str
            Folder; it is made when missing.
        skip : int
            Look for the center among models 0, skip, 2 skip, ...
        set_plot_yaxis_range : tuple of float, optional
            Range of the figure in Å.

        Raises
        ------
        InputError
            If there is no such set.
        """
        from congruence.compute.fluctuation import compat_rmsf
        from congruence.io.precision_files import molecule_beads, write_rmsf

        models, topology = self._set(structure_set_name), self._known()
        center = self._within(models, self._beads(ALL), skip).center
        folder = Path(outdir)
        folder.mkdir(parents=True, exist_ok=True)
        for name in topology.molecule_names:
            if name not in self.selection_dictionary:
                continue
            beads = molecule_beads(topology, name)
            values = compat_rmsf(models.coordinates[:, beads], center)
            residues = [topology.residues[i] for i in beads.tolist()]
            with whole_file(folder / f"rmsf.{name}.dat") as part:
                write_rmsf(part, residues, values)
            with whole_file(folder / f"rmsf.{name}.pdf") as part:
                _draw(part, name, residues, values, set_plot_yaxis_range)

    def set_reference_structure(self, rmf_name: str, rmf_frame_index: int) -> None:
        """
        Set the structure that models are compared with; its molecules are matched by name.

        Parameters
        ----------
        rmf_name : str
            Its RMF file.
        rmf_frame_index : int
            Its frame.

        Raises
        ------
        InputError
            If it cannot be read.
        """
        from congruence.core.precision import ReferenceStructure

        topology, points = self._state(str(rmf_name), int(rmf_frame_index))
        beads = last_copies(topology)
        self._reference = ReferenceStructure(
            topology.take(beads), points[beads], f"{rmf_name}, frame {rmf_frame_index}"
        )

    def get_average_distance_wrt_reference_structure(
        self, structure_set_name: str
    ) -> dict[str, dict[str, Any]]:
        """
        Compute the distances of a set to the reference, models as they are.

        Parameters
        ----------
        structure_set_name : str
            The set.

        Returns
        -------
        distances : dict of str to dict
            By selection ``all_distances``, ``average_distance`` and
            ``minimum_distance`` in Å.

        Raises
        ------
        ConfigError
            If no reference was set.
        SelectionError
            If a selection and the reference have no residue in common.
        """
        models = self._set(structure_set_name)
        found = {}
        for name, beads in self._selections(None).items():
            points, target = self._compared(models, beads, name)
            found[name] = _summary(self._distances(points, target[None])[:, 0])
        return _told(structure_set_name, found)

    def get_rmsd_wrt_reference_structure_with_alignment(
        self, structure_set_name: str, alignment_selection_key: str
    ) -> dict[str, dict[str, Any]]:
        """
        Compute the RMSDs of a set to the reference, superposed on a selection.

        Parameters
        ----------
        structure_set_name : str
            The set.
        alignment_selection_key : str
            The selection that is superposed, without weights.

        Returns
        -------
        distances : dict of str to dict
            As `get_average_distance_wrt_reference_structure`.

        Raises
        ------
        ConfigError
            If no reference was set.
        SelectionError
            If there is no such selection, or it and the reference have no
            residue in common.
        """
        from congruence.compute.accuracy import superposed

        models = self._set(structure_set_name)
        selections = self._selections(None)
        if alignment_selection_key not in selections:
            raise no_selection(alignment_selection_key, list(selections))
        on = self._compared(models, selections[alignment_selection_key], alignment_selection_key)
        found = {}
        for name, beads in selections.items():
            points, target = self._compared(models, beads, name)
            moved = superposed(points, on[0], on[1])
            found[name] = _summary(np.sqrt(((moved - target) ** 2).sum(axis=2).mean(axis=1)))
        return _told(structure_set_name, found)

    def _compared(
        self, models: Structures, beads: IntArray, name: str
    ) -> tuple[FloatArray, FloatArray]:
        """Return the models over the beads that the reference has, and their places there."""
        from congruence.compute.accuracy import match_reference

        if self._reference is None:
            raise ConfigError(
                "there is no reference structure yet",
                hint="Call set_reference_structure(file, frame) first.",
            )
        topology = self._known()
        match = match_reference(topology.take(last_copies(topology)), self._reference)
        places = dict(zip(last_copies(topology)[match.beads].tolist(), match.places, strict=True))
        held = [i for i in beads.tolist() if i in places]
        if not held:
            raise SelectionError(
                f"selection '{name}' and the reference {self._reference.source} have no residue "
                "in common"
            )
        return models.coordinates[:, held], np.array([places[i] for i in held])


def _summary(distances: FloatArray) -> dict[str, Any]:
    return {
        "all_distances": distances.tolist(),
        "average_distance": float(distances.mean()),
        "minimum_distance": float(distances.min()),
    }


def _told(name: str, found: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    for selection, values in found.items():
        current_reporter().say(
            f"{selection} {name}: average distance {values['average_distance']}, minimum distance "
            f"{values['minimum_distance']}"
        )
    return found


def _draw(
    path: Path,
    name: str,
    residues: list[tuple[int, ...]],
    values: FloatArray,
    y_range: tuple[float, float] | None,
) -> None:
    from congruence.plots.fluctuation import plot_reference_rmsf
    from congruence.plots.style import house

    figure = plot_reference_rmsf(name, residues, values, y_range)
    with house():
        figure.savefig(path, format="pdf", metadata={"CreationDate": None})
