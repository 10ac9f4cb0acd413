"""
Draw the pictures of the pages from the demonstration.

    congruence demo && python docs/make_images.py congruence-demo/results
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot as plt
from PIL import Image

from congruence import read_mrc

IMAGES = Path(__file__).resolve().parent / "images"
COLOURS = {"Alpha": "#0072b2", "Beta": "#e69f00", "Gamma": "#009e73", "Delta": "#cc79a7"}


def matrix(results: Path) -> None:
    """Shrink the figure of the matrix."""
    with Image.open(results / "dist_matrix.png") as picture:
        small = picture.convert("RGB").resize(
            (picture.width // 2, picture.height // 2), Image.Resampling.LANCZOS
        )
    small.quantize(256, method=Image.Quantize.MAXCOVERAGE, kmeans=3, dither=Image.Dither.NONE).save(
        IMAGES / "dist_matrix.png", optimize=True
    )


def densities(results: Path) -> None:
    """Draw each map of each cluster as the outline of its projection along z."""
    folders = sorted(results.glob("cluster.*"))
    figure, axes = plt.subplots(
        1, len(folders), figsize=(8, 4), sharex=True, sharey=True, layout="constrained"
    )
    for axis, folder in zip(axes, folders, strict=True):
        for name, colour in COLOURS.items():
            density = read_mrc(folder / f"{name}.mrc")
            flat = density.values.sum(axis=0)
            x, y, _ = (
                [o + density.grid.voxel * i for i in range(n)]
                for o, n in zip(density.grid.origin, density.grid.shape, strict=True)
            )
            levels = [flat.max() * share for share in (0.2, 0.5, 1.0)]
            axis.contourf(x, y, flat, levels, colors=[colour, colour], alpha=0.35)
            axis.contour(x, y, flat, levels[:1], colors=colour, linewidths=1.5)
            axis.plot([], [], color=colour, linewidth=6, alpha=0.6, label=name)
        axis.set_title(folder.name)
        axis.set_xlabel("x (Å)")
        axis.set_aspect("equal")
    axes[0].set_ylabel("y (Å)")
    axes[-1].legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    figure.savefig(IMAGES / "densities.png", dpi=110)
    with Image.open(IMAGES / "densities.png") as picture:
        small = picture.convert("RGB").quantize(128, dither=Image.Dither.NONE)
    small.save(IMAGES / "densities.png", optimize=True)


if __name__ == "__main__":
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "congruence-demo/results")
    matrix(folder)
    densities(folder)
