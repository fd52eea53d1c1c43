"""Commands of the environment that the tests run in."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def run_tool(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command of this environment."""
    command = [str(Path(sys.executable).with_name(name)), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def fits_schema(path: Path, schema: str) -> bool:
    """Whether a file is what one of check-jsonschema's own schemas asks for."""
    return run_tool("check-jsonschema", "--builtin-schema", schema, str(path)).returncode == 0
