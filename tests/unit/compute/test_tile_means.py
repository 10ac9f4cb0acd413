import numpy as np
from sklearn.cluster import KMeans

from congruence.compute.tile_means import kmeans_of_tiles


class Tiles:
    """A matrix in memory, handed over in tiles; counts how often it is read."""

    def __init__(self, square, edge=40):
        self.m, self.square, self.edge, self.reads = len(square), square, edge, 0

    def replay(self, sink):
        self.reads += 1
        for i in range(0, self.m, self.edge):
            for j in range(i, self.m, self.edge):
                sink.put(i, j, self.square[i : i + self.edge, j : j + self.edge])


def heaps(seed, centers, size):
    rng = np.random.default_rng(seed)
    points = np.concatenate([rng.normal(c, 1.0, size=(size, 2)) for c in centers])
    return np.linalg.norm(points[:, None] - points, axis=2)


def test_a_step_is_lloyds():
    """Overlapping heaps, so that many steps are needed: those of scikit-learn from one start."""
    square = heaps(3, [(0, 0), (2.5, 0), (0, 2.5)], 50)
    start = np.full(150, -1)
    start[[0, 1, 2]] = [0, 1, 2]
    tiles = Tiles(square)
    found = kmeans_of_tiles(tiles, start, 3)
    expected = KMeans(3, init=square[:3], n_init=1, algorithm="lloyd", tol=0, max_iter=100)
    assert found.labels.tolist() == expected.fit(square).labels_.tolist()
    assert found.converged
    assert found.steps > 3
    assert tiles.reads == 2 * found.steps


def test_the_edge_of_tiles_does_not_matter():
    square = heaps(4, [(0, 0), (6, 0)], 60)
    start = np.full(120, -1)
    start[:5], start[60:63] = 0, 1
    one, two = (kmeans_of_tiles(Tiles(square, edge), start, 2) for edge in (7, 200))
    assert one.labels.tolist() == two.labels.tolist()
    assert set(one.labels.tolist()) == {0, 1}


def test_too_few_steps_are_told_and_an_emptied_cluster_keeps_its_mean():
    square = heaps(5, [(0, 0), (2, 0)], 40)
    start = np.full(80, -1)
    start[[3, 50]] = [0, 1]
    found = kmeans_of_tiles(Tiles(square), start, 2, steps=1)
    assert not found.converged
    same = np.zeros((4, 4))
    labels = kmeans_of_tiles(Tiles(same), np.array([0, 1, -1, -1]), 2).labels
    assert labels.tolist() == [0, 0, 0, 0]
