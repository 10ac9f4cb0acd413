"""
From models to numbers: pure functions on arrays and core objects.

Nothing here reads or writes files. What goes in is an `Ensemble`, a
`CoordinateSource` or a plain array of shape *(m,n,3)* in Å; what comes out is
a frozen result that carries the words of its definition.

`compute.rmsd`
    `rmsd_matrix` gives the distances of all pairs of models, `place` the
    motion and the assignment of copies behind a distance, `rmsd_tiles` the
    same for matrices that do not fit in memory, `estimate` what it will take.
`compute.metric`
    `Metric` holds the choices that make a distance: alignment, beads that are
    measured and beads that are superposed, weights, interchangeable copies.
`compute.superpose`
    `superpose` lays one model on another.
`compute.assignment`
    Which copies may be exchanged, and the best exchange.

Clustering, densities, precision, exhaustiveness and the filtering of models
have modules of their own beside these, each with its own page.

Three alignments exist and are always named. ``"none"`` compares coordinates as
they are: right when a density map or a fixed part gives the frame. With
``"center"`` models may shift, with ``"superpose"`` they may shift and turn::

    matrix = rmsd_matrix(ensemble, alignment="superpose", measure="Rpb4 + Rpb7", on="Rpb4")
    placed = place(ensemble, members, center, alignment="superpose", on="Rpb4")

A distance is the root of ``sum(w * |x - y|**2) / sum(w)``, *w* being the
residues of a bead by default; centroid, superposition and measurement use the
same weights unless `fit_weights` says otherwise. Copies of a molecule that are
equal bead by bead are exchanged where that makes the distance smaller.
"""
