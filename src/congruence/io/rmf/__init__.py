"""
RMF3 files: the frames of a sampling run.

`open_rmf` opens a file and returns an `RmfFile`, which gives the beads at a
resolution as a `congruence.core.topology.Topology`, their coordinates in any
frames as one array, Gaussians, scores of restraints, provenance and the
statistics that a run may store with its frames::

    from congruence.io.rmf import open_rmf

    file = open_rmf("output/rmfs/0.rmf3")
    topology = file.topology(resolution=10)
    coordinates = file.coordinates(slice(0, 100, 10), resolution=10)

The file is read lazily and leniently: a file that was cut off in the middle of
a frame is used up to the frame before, a damaged stretch is stepped over, and
`RmfFile.losses` says what was left out and where. A half frame is never seen.

From bytes to arrays the modules are `container` (header, blocks, damage),
`index` (which frames there are), `frames` and `templates` (where the values of
a frame are, without an object per value), `static` and `tables` (static data),
`hierarchy` and `walk` (nodes to beads), `transform` (rigid frames to global
coordinates), `values`, `beads` and `reader`.
"""

from __future__ import annotations

from congruence.io.rmf.beads import Gaussians
from congruence.io.rmf.frames import FramePayload
from congruence.io.rmf.reader import RmfFile, open_rmf

__all__ = ["FramePayload", "Gaussians", "RmfFile", "open_rmf"]
