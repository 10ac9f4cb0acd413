"""
What things are.

`Topology` names the beads of a model; `Ensemble` is many models of one
topology with their `ModelTable`; `Selection` picks beads by molecule, residue,
copy and state; `DistanceMatrix`, `Clustering` and `DensityMap` are results;
`Placement` is where a member of a cluster is put. Everything here is made of
numpy arrays and frozen; nothing here knows a path.
"""
