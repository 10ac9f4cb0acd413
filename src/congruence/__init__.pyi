from .core.ensemble import Ensemble as Ensemble
from .core.results import Alignment as Alignment
from .core.results import Clustering as Clustering
from .core.results import DistanceMatrix as DistanceMatrix
from .core.selection import Selection as Selection
from .core.topology import Topology as Topology
from .errors import CongruenceError as CongruenceError

__version__: str
