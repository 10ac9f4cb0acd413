"""
Analysis of ensembles of integrative structural models.

The way of the data is ``open_runs -> choose -> load -> rmsd_matrix -> cluster
-> write_clusters``; each arrow is one public function.
"""

import lazy_loader as _lazy

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
