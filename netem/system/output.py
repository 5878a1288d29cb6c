"""Write the sidecar's events: standard output, line by line, and the file link.json."""

import json
import os
from pathlib import Path
from typing import Any


def write_stdout(line: str) -> None:
    """Write a line to standard output completely and immediately; a closed reader is not an error."""
    data = line.encode()
    try:
        while data:
            data = data[os.write(1, data) :]
    except BrokenPipeError:
        return


def write_link_json(path: Path, recorded: dict[str, Any]) -> None:
    """Write link.json so that a reader finds the old file or the new one, never a part."""
    partial = path.with_suffix(".part")
    partial.write_text(json.dumps(recorded, indent=1, allow_nan=False) + "\n")
    partial.replace(path)
