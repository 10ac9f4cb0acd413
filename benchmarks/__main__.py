"""Run benchmarks and print one table."""

from __future__ import annotations

import argparse
import importlib

from benchmarks.measure import machine, table

NAMES = ("reading", "stat", "rmsd", "peers", "density", "large", "start", "job", "exhaust")


def main() -> None:
    """Run all benchmarks, or those that are named."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--quick", action="store_true", help="tiny inputs; the figures say nothing")
    chosen = parser.parse_args()
    if unknown := set(chosen.names) - set(NAMES):
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    rows = []
    for name in chosen.names or NAMES:
        rows += importlib.import_module(f"benchmarks.{name}").rows(chosen.quick)
    print(machine() + "\n")
    print(table(rows))


if __name__ == "__main__":
    main()
