"""
Density maps in MRC files.

Written files follow MRC2014 and are the same bytes for the same map: no time
is put into them. The reader also takes what the reference writes (statistics
that are not numbers, no machine stamp, odd space group and start indices),
but not a file that holds no whole map.
"""

from __future__ import annotations

import textwrap
import warnings
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from congruence.core.grid import DensityMap, Grid
from congruence.core.provenance import versions
from congruence.errors import FormatError, OutputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from congruence.typing import Float32Array

__all__ = ["read_mrc", "write_mrc"]

_LABELS, _LABEL_WIDTH = 10, 80
_HEADER = 1024
_CELL_MISMATCH = 1e-3
_MAX_PACKED = 100_000  # no packer shrinks zeros further
_REFERENCE_ISPG = 1065353216  # the bits of 1.0 as float32, written as an integer


def write_mrc(path: str | Path, density: DensityMap, *, notes: Sequence[str] = ()) -> None:
    """
    Write a density as an MRC2014 volume of float32.

    The file appears whole or not at all.

    Parameters
    ----------
    path : str or Path
        Where to write; an existing file is replaced.
    density : DensityMap
        The map. Its origin (centre of voxel 0, Å) goes into the origin
        fields of the header; start indices are 0.
    notes : sequence of str
        Lines for the labels of the header, such as the alignment mode.
        Written in ASCII, wrapped at 80 characters; at most 8 lines fit.

    Raises
    ------
    OutputError
        If the folder does not exist, the map is not finite or the notes do not fit.
    """
    import mrcfile

    path = Path(path)
    labels = _labels(density, notes)
    if not np.isfinite(density.values).all():
        raise OutputError(f"{path}: the density '{density.name}' has values that are not finite")
    if not path.parent.is_dir():
        raise OutputError(f"{path}: there is no folder {path.parent}", hint="Make it first.")
    part = path.with_name(f".{path.name}.part")
    try:
        with mrcfile.new(part, overwrite=True) as file:
            file.set_data(np.asarray(density.values, dtype=np.float32))
            file.set_volume()
            file.voxel_size = density.grid.voxel
            file.nstart = (0, 0, 0)
            file.header.origin = density.grid.origin
            file.header.nversion = 20140
            file.header.label[:] = b""
            for i, label in enumerate(labels):
                file.header.label[i] = label
            file.header.nlabl = len(labels)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def read_mrc(path: str | Path) -> DensityMap:
    """
    Read a volume with cubic voxels.

    Parameters
    ----------
    path : str or Path
        An MRC, CCP4 or MRC.gz file.

    Returns
    -------
    density : DensityMap
        Values as float32, axes z, y, x. The position is that of the origin
        fields, or of the start indices when the origin is 0. Name and number
        of models are those of `write_mrc`, else the stem of the file and 1.

    Raises
    ------
    FormatError
        If the file is no MRC file, is cut short, holds an empty map or values
        that are not finite, or its voxels are not cubic.
    """
    path = Path(path)
    header = _header(path)
    columns = (int(header.nx), int(header.ny), int(header.nz))
    if min(columns) < 1:
        raise FormatError(
            f"the header gives {columns[0]} x {columns[1]} x {columns[2]} voxels",
            path=path,
            location="byte 0",
            hint="The reference writes such a file when a selection was empty; "
            "check the selection that this density was made with.",
        )
    axes = (int(header.mapc), int(header.mapr), int(header.maps))
    if sorted(axes) != [1, 2, 3]:
        raise FormatError(f"axis order is {axes}, expected 1, 2, 3 in some order", path=path)
    values = _values(path, header)
    # values[s, r, c]: section, row and column are the axes maps, mapr and mapc.
    order = [axes[::-1].index(axis) for axis in (3, 2, 1)]
    values = np.ascontiguousarray(values.transpose(order))
    if not np.isfinite(values).all():
        raise FormatError("some values of the map are not finite", path=path)
    nz, ny, nx = values.shape
    voxel = _voxel(path, header)
    name, models = _identity(header, path)
    start = [
        (int(header.nxstart), int(header.nystart), int(header.nzstart))[axes.index(a)]
        for a in (1, 2, 3)
    ]
    grid = Grid(_origin(header, start, voxel), (nx, ny, nz), voxel)
    return DensityMap(name, grid, values, models)


def _labels(density: DensityMap, notes: Sequence[str]) -> list[str]:
    lines = [
        f"congruence {versions()['congruence']}: mean mass density in Da/A^3",
        f"models: {density.models}; name: {density.name}",
        *notes,
    ]
    text = (line.replace("Å", "A").encode("ascii", "replace").decode() for line in lines)
    labels = [part for line in text for part in textwrap.wrap(line, _LABEL_WIDTH)]
    if len(labels) > _LABELS:
        raise OutputError(
            f"the header of an MRC file holds {_LABELS} labels of {_LABEL_WIDTH} characters, "
            f"these notes need {len(labels)}",
            hint="Shorten the notes.",
        )
    return labels


def _opened(path: Path, *, header_only: bool) -> Any:
    """Return what mrcfile makes of a file, closed again."""
    import mrcfile

    with warnings.catch_warnings():
        # What the reference's headers get wrong is known and harmless.
        warnings.simplefilter("ignore", RuntimeWarning)
        try:
            with mrcfile.open(path, permissive=True, header_only=header_only) as file:
                return file.header.copy() if header_only else file.data
        except (ValueError, OSError, EOFError, zlib.error) as error:
            raise FormatError(f"this is no whole MRC file: {error}", path=path) from error


def _header(path: Path) -> Any:
    if not path.is_file():
        raise FormatError("there is no such file", path=path)
    header = _opened(path, header_only=True)
    if bytes(header.map)[:3] != b"MAP":
        raise FormatError(
            f"this is no whole MRC file: bytes 208-211 are {bytes(header.map)!r}, expected b'MAP '",
            path=path,
            location="byte 208",
        )
    return header


def _values(path: Path, header: Any) -> Float32Array:
    bytes_per_value = {0: 1, 1: 2, 2: 4, 6: 2, 12: 2}.get(int(header.mode))
    if bytes_per_value is None:
        raise FormatError(
            f"mode is {int(header.mode)}, expected 0, 1, 2, 6 or 12 (real numbers)",
            path=path,
            location="byte 12",
        )
    count = int(header.nx) * int(header.ny) * int(header.nz)
    needed = _HEADER + int(header.nsymbt) + count * bytes_per_value
    found = path.stat().st_size
    with path.open("rb") as raw:
        packed = raw.read(2) in (b"\x1f\x8b", b"BZ")
    if found < needed and not (packed and needed <= _MAX_PACKED * found):
        raise FormatError(
            f"the file has {found} bytes, its header asks for {needed}",
            path=path,
            hint="The file was cut short; write it again.",
        )
    data = _opened(path, header_only=False)
    if data is None or data.ndim != 3:
        raise FormatError("the file does not hold one whole volume", path=path)
    return np.asarray(data, dtype=np.float32)


def _voxel(path: Path, header: Any) -> float:
    cell = np.array([header.cella.x, header.cella.y, header.cella.z], dtype=np.float64)
    counts = np.array([header.mx, header.my, header.mz], dtype=np.float64)
    sizes = cell / np.where(counts > 0, counts, 1)
    if (
        not (np.isfinite(sizes).all() and (sizes > 0).all())
        or np.ptp(sizes) > _CELL_MISMATCH * sizes[0]
    ):
        raise FormatError(
            f"voxels are {sizes[0]:g} x {sizes[1]:g} x {sizes[2]:g} Å, expected cubes", path=path
        )
    angles = (float(header.cellb.alpha), float(header.cellb.beta), float(header.cellb.gamma))
    if angles not in ((90.0, 90.0, 90.0), (0.0, 0.0, 0.0)):
        raise FormatError(f"cell angles are {angles}, expected 90 degrees", path=path)
    return round(float(sizes[0]), 5)


def _origin(header: Any, start: list[int], voxel: float) -> tuple[float, float, float]:
    origin = (float(header.origin.x), float(header.origin.y), float(header.origin.z))
    by_reference = int(header.ispg) == _REFERENCE_ISPG
    if any(origin) or by_reference:
        return origin
    return (start[0] * voxel, start[1] * voxel, start[2] * voxel)


def _identity(header: Any, path: Path) -> tuple[str, int]:
    labels = [bytes(label).decode("ascii", "replace") for label in header.label]
    if labels[0].startswith("congruence ") and labels[1].startswith("models: "):
        count, _, name = labels[1].removeprefix("models: ").partition("; name: ")
        if count.isdecimal():
            return name.strip(), int(count)
    return path.name.split(".")[0], 1
