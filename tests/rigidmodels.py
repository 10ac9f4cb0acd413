"""Ensembles of rigid bodies that turn and shift, for tests."""

import numpy as np
from scipy.spatial.transform import Rotation


def rigid_models(seed, *, models=60, bodies=2, beads=20, flexible=0, spread=20.0):
    """Return models of rigid bodies (and of flexible beads at the end), shape (m,n,3), in Å."""
    rng = np.random.default_rng(seed)
    bodies_at = rng.normal(size=(bodies, beads, 3)) * 15
    turns = Rotation.random(models * bodies, random_state=seed % 2**31).as_matrix()
    turned = np.einsum("bpi,mbij->mbpj", bodies_at, turns.reshape(models, bodies, 3, 3))
    shifted = turned + rng.normal(size=(models, bodies, 1, 3)) * spread
    loose = rng.normal(size=(models, flexible, 3)) * spread
    return np.concatenate([shifted.reshape(models, -1, 3), loose], axis=1)
