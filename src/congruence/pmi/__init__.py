"""
The IMP-shaped facade: existing analysis scripts run without IMP.

Two ways to use it. An unmodified script runs through `run_script`, or on the
command line through ``congruence run-script SCRIPT [ARGS...]``: while it runs,
``import IMP``, ``IMP.pmi.macros``, ``RMF`` and the like are lent by congruence,
also where IMP is installed. Or a script replaces its imports by
``import congruence.pmi as pmi`` and calls ``pmi.macros.AnalysisReplicaExchange0``.

What is provided: ``IMP.Model``, ``IMP.set_log_level``, ``IMP.allow_deprecated``,
``IMP.pmi.macros.AnalysisReplicaExchange0``, and of ``IMP.pmi.analysis`` the
classes ``Alignment``, ``Clustering``, ``GetModelDensity`` and ``Precision``. Every other module
can be imported; using a name that is not provided is an error that says how
congruence does the same.

Where the numbers are the same as in the reference, and where they are not:

* Models, their order, distances and average RMSDs are the same: superposition
  without weights, RMSD weighted by residues, copies of a molecule
  interchangeable, ``get_every`` counted as there, header line included.
* k-means is seeded and the best of 50 starts, so that a clustering repeats;
  ``cluster.0`` is the largest cluster.
* ``LABEL.mrc`` holds the density that `congruence.compute.density` makes: exact
  Gaussians on one grid for all members of a cluster, of the beads that the RMSD is
  measured on. The map of the reference is that of its finest beads with an approximate
  exponential, on a grid that drifts by up to half a voxel with every model: with voxels
  of 3 Å the two correlate by 0.99 or better, with 5 Å less (0.91 in the worst case seen).
  `congruence.compute.density_compat` makes the reference's map, bit for bit.
* Alignment components keep their residue ranges, which the reference ignores.
* Copies that were exchanged to compare two models are exchanged in the RMF
  files, PDB files and densities as well.
* A component that selects nothing is an error, not a silence.
* No pickle is written or read: ``NAME.json`` beside ``NAME.npy`` holds what
  ``load_distance_matrix_file=True`` needs.
"""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach(
    __name__,
    submodules=["analysis", "kernel", "macros"],
    submod_attrs={"kernel": ["Model"], "script": ["run_script"]},
)
