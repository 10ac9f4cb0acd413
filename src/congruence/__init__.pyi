from .compute.clustering import cluster as cluster
from .compute.density import localization_density as localization_density
from .compute.metric import Metric as Metric
from .compute.rmsd import place as place
from .compute.rmsd import rmsd_matrix as rmsd_matrix
from .core.ensemble import Ensemble as Ensemble
from .core.grid import DensityMap as DensityMap
from .core.placement import Placement as Placement
from .core.results import Alignment as Alignment
from .core.results import Cluster as Cluster
from .core.results import Clustering as Clustering
from .core.results import DistanceMatrix as DistanceMatrix
from .core.selection import Selection as Selection
from .core.topology import Topology as Topology
from .errors import CongruenceError as CongruenceError
from .io.matrix import load_matrix as load_matrix
from .io.mrc import read_mrc as read_mrc
from .io.mrc import write_mrc as write_mrc
from .io.rmf.reader import open_rmf as open_rmf
from .simulate.write import simulate_runs as simulate_runs
from .workflow.config import ClusterConfig as ClusterConfig
from .workflow.job import cluster_runs as cluster_runs
from .workflow.results import write_clusters as write_clusters
from .workflow.steps import open_runs as open_runs

__version__: str
