"""All measurements, one after the other: `python -m bench`."""

from __future__ import annotations

import subprocess
import sys

_TIMEOUT = 3600.0  # seconds


def main() -> None:
    """Run each in a process of its own, so that none inherits another's memory."""
    for name in ("tfrecord", "memory", "detector", "serving", "page"):
        subprocess.run([sys.executable, "-m", f"bench.{name}"], timeout=_TIMEOUT, check=True)


if __name__ == "__main__":
    main()
