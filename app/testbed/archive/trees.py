"""Share the files of a finished attempt between run folders: hard links where possible, else copies.

Documents and raw files are never changed in place, only replaced, so a shared file stays what it was.
"""

import os
import shutil
from pathlib import Path

from testbed.errors import file_attempt


def share_tree(source: Path, target: Path) -> None:
    """Make `target` a folder with the regular files of `source`; raises HostError, also if it exists."""
    with file_attempt(f"copy {source} to {target}"):
        target.mkdir()
        _share(source, target)


def _share(source: Path, target: Path) -> None:
    with os.scandir(source) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                (target / entry.name).mkdir()
                _share(Path(entry.path), target / entry.name)
            elif entry.is_file(follow_symlinks=False) and not entry.name.endswith(".part"):
                _share_file(entry.path, target / entry.name)


def _share_file(source: str, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, one without links, or too many of them
        shutil.copy2(source, target)


def size_bytes(folder: Path) -> int:
    """Return the size of the regular files below a folder on the disk; what vanishes meanwhile counts nothing."""
    total = 0
    pending = [str(folder)]
    while pending:
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_blocks * 512
        except OSError:
            continue
    return total
