"""
Modules that are lent to a script under the names of IMP and RMF.

Importing any ``IMP``, ``IMP.*`` or ``RMF`` module succeeds, so that imports that
a script hardly uses do no harm. Using a name that is not provided raises
`NotProvidedError`, which is an `AttributeError` too: ``hasattr`` and ``getattr``
with a default work as on any module.
"""

from __future__ import annotations

import contextlib
import difflib
import importlib
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Any, NoReturn

from congruence.errors import CongruenceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["LendingFinder", "LentModule", "NotProvidedError", "lent_modules", "not_provided"]

HOMES = {
    "IMP": "congruence.pmi.kernel",
    "IMP.pmi.macros": "congruence.pmi.macros",
    "IMP.pmi.analysis": "congruence.pmi.analysis",
}
"""Which module of ours stands behind a lent one; its ``__all__`` is provided."""

_ROOTS = ("IMP", "RMF")

# Imported on first access, as `import IMP.pmi.macros` loads them all in the reference.
_MODULES = {
    "IMP": ("algebra", "atom", "container", "core", "display", "em", "isd", "pmi", "rmf"),
    "IMP.pmi": ("analysis", "io", "macros", "output", "restraints", "tools", "topology"),
}

_SAMPLING = "congruence analyses what was sampled; to sample, run the script with IMP's Python."
_FRAMES = "Read coordinates and beads with congruence.io.rmf.open_rmf(PATH)."
_STATS = "Read stat files with congruence.open_runs(FOLDER).choose(score=..., features=...)."
_WAYS = {
    "IMP": "Load models with congruence.open_runs(FOLDER).choose(...).load().",
    "IMP.atom": _FRAMES,
    "IMP.core": _FRAMES,
    "IMP.rmf": _FRAMES,
    "RMF": _FRAMES,
    "IMP.pmi.output": _STATS,
    "IMP.pmi.macros.AnalysisReplicaExchange": "Use AnalysisReplicaExchange0 or 'congruence cluster'.",
    "IMP.pmi.macros.AnalysisReplicaExchange0": "Read models and scores in the order of the sampling "
    "with congruence.open_runs(FOLDER).choose(every=...).load().",
    "IMP.pmi.macros": _SAMPLING,
    "IMP.pmi.restraints": _SAMPLING,
    "IMP.pmi.samplers": _SAMPLING,
    "IMP.pmi.topology": _SAMPLING,
    "IMP.pmi.analysis": "Cluster models with 'congruence cluster' or congruence.cluster(...).",
}
"""The native way, for a name or for everything below it."""


class NotProvidedError(CongruenceError, AttributeError):
    """A name of IMP or RMF that a script used and that congruence does not provide."""


def not_provided(name: str) -> NotProvidedError:
    """
    Make the error for a name that is not provided.

    Parameters
    ----------
    name : str
        Dotted name, as a script would write it.

    Returns
    -------
    error : NotProvidedError
        It says what there is, and in its hint the native way.

    Examples
    --------
    >>> not_provided("IMP.pmi.macros.BuildSystem").message
    'IMP.pmi.macros.BuildSystem is not provided; IMP.pmi.macros provides AnalysisReplicaExchange0'
    """
    parent, _, last = name.rpartition(".")
    offered = _provided(parent)
    there = (
        f"{parent} provides {', '.join(offered)}"
        if offered
        else f"of {parent} nothing is: it is lent so that importing it succeeds"
    )
    near = difflib.get_close_matches(last, offered, n=1, cutoff=0.8)
    hint = f"Did you mean {near[0]}?" if near and name not in _WAYS else _native_way(name)
    return NotProvidedError(f"{name} is not provided; {there}", hint=hint)


def _provided(module: str) -> list[str]:
    home = HOMES.get(module)
    return list(importlib.import_module(home).__all__) if home else []


def _native_way(name: str) -> str:
    while name not in _WAYS:
        name = name.rpartition(".")[0]
        if not name:
            return _WAYS["IMP"]
    return _WAYS[name]


class LentModule(ModuleType):
    """
    A module under a name of IMP or RMF.

    A name that a script takes with ``from MODULE import NAME`` and that is not
    provided becomes such a module too; calling it or deriving from it raises.
    """

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__version__":
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        if name in _MODULES.get(self.__name__, ()):
            return importlib.import_module(f"{self.__name__}.{name}")
        raise not_provided(f"{self.__name__}.{name}")

    def __call__(self, *args: Any, **keywords: Any) -> NoReturn:  # noqa: D102 - it only raises
        raise not_provided(self.__name__)

    def __mro_entries__(self, bases: tuple[Any, ...]) -> NoReturn:
        raise not_provided(self.__name__)


class LendingFinder(MetaPathFinder, Loader):
    """Finds, makes and fills lent modules."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """
        Claim every module of IMP and RMF.

        Parameters
        ----------
        fullname : str
            Dotted name of the module.
        path : sequence of str or None
            Ignored.
        target : module or None
            Ignored.

        Returns
        -------
        spec : ModuleSpec or None
            None for other modules, and for what is below a provided name.
        """
        parent, _, last = fullname.rpartition(".")
        if fullname.partition(".")[0] not in _ROOTS or last in _provided(parent):
            return None
        return ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """
        Make an empty lent module.

        Parameters
        ----------
        spec : ModuleSpec
            Its specification.

        Returns
        -------
        module : LentModule
            The module.
        """
        return LentModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """
        Put the provided names into a module.

        Parameters
        ----------
        module : ModuleType
            A lent module.
        """
        home = HOMES.get(module.__name__)
        if home:
            source = importlib.import_module(home)
            vars(module).update({name: getattr(source, name) for name in source.__all__})


def _lent_names() -> list[str]:
    return [name for name in sys.modules if name.partition(".")[0] in _ROOTS]


@contextlib.contextmanager
def lent_modules() -> Iterator[None]:
    """
    Lend the modules for a while; afterwards everything is as before.

    A real IMP that is already imported is put aside meanwhile.

    Yields
    ------
    None
        Nothing.
    """
    aside = {name: sys.modules.pop(name) for name in _lent_names()}
    finder = LendingFinder()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in _lent_names():
            del sys.modules[name]
        sys.modules.update(aside)
