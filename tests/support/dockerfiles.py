"""What a Dockerfile says, as far as the tests look at it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Dockerfile:
    """Instructions in order: their names in capitals, and what follows them on the line."""

    instructions: tuple[tuple[str, str], ...]

    def values(self, name: str) -> list[str]:
        """What follows each instruction of this name."""
        return [value for each, value in self.instructions if each == name]

    def sources(self) -> list[str]:
        """Paths that COPY takes from the build's context."""
        copies = [value.split() for value in self.values("COPY") if "--from=" not in value]
        return [source for words in copies for source in words[:-1]]

    def entrypoint(self) -> list[str]:
        """The command that a container runs."""
        return list(json.loads(self.values("ENTRYPOINT")[-1]))

    def flags(self) -> dict[str, str]:
        """The `--name=value` arguments of the command that a container runs."""
        pairs = (word[2:].partition("=") for word in self.entrypoint() if word.startswith("--"))
        return {name: value for name, _, value in pairs}

    def ports(self) -> set[str]:
        """The ports that a container listens on."""
        return {port for value in self.values("EXPOSE") for port in value.split()}


def load_dockerfile(path: Path) -> Dockerfile:
    """Read a Dockerfile; lines that end with a backslash go on."""
    lines = [line for line in path.read_text("utf-8").splitlines() if not line.startswith("#")]
    text = re.sub(r"\\\n", " ", "\n".join(lines))
    words = (line.strip().partition(" ") for line in text.splitlines() if line.strip())
    return Dockerfile(tuple((name.upper(), value.strip()) for name, _, value in words))
