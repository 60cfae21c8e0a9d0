"""Run the benchmarks, print a table, write ``build/bench.json``.

``python -m benchmarks [author] [overhead] [flows] [startup] [publishing] [team] [rest] ...``:
all of them when none is named.
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks import (
    author,
    dashboard,
    flows,
    overhead,
    pictures,
    publishing,
    rest,
    startup,
    team,
    together,
)
from benchmarks.figures import table, write

RESULTS = Path("build") / "bench.json"


def main() -> int:
    """Measure what is named on the command line; 1 when a figure misses its limit."""
    known = {
        "author": author.measure,
        "overhead": overhead.measure,
        "flows": flows.measure,
        "startup": startup.measure,
        "publishing": publishing.measure,
        "team": team.measure,
        "pictures": pictures.measure,
        "rest": rest.measure,
        "together": together.measure,
        "dashboard": dashboard.measure,
    }
    names = sys.argv[1:] or list(known)
    if unknown := [name for name in names if name not in known]:
        print(f"unknown benchmark {unknown[0]!r}; there are: {', '.join(known)}", file=sys.stderr)
        return 2
    figures = [figure for name in names for figure in known[name]()]
    write(figures, RESULTS)
    print(table(figures))
    print(f"\nwritten to {RESULTS}")
    return 0 if all(figure.holds is not False for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
