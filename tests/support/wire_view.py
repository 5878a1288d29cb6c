"""What the captures and samples of a cell's folder show, for integration tests."""

import csv
import io
from pathlib import Path

import numpy as np

from testbed.analysis.join.cell_folder import choose_connection
from testbed.analysis.packets.capture import read_capture
from testbed.analysis.packets.model import Connection, Frames, Int64


def connection(folder: Path, role: str) -> Connection:
    """Return the connection under test as the capture of one end has it."""
    found = choose_connection(read_capture(folder / role / "capture.pcap"))
    assert found is not None
    return found


def sent_by(found: Connection, role: str) -> Frames:
    """Return the frames that one end sent, in the order of the capture."""
    return found.frames.take(found.frames.from_client == (role == "client"))


def data_of(found: Connection, role: str = "client") -> Frames:
    """Return the frames with payload that one end sent."""
    frames = sent_by(found, role)
    return frames.take(frames.payload_bytes > 0)


def repeated(frames: Frames) -> Int64:
    """Return the first sequence numbers of the frames that were retransmitted."""
    first, counts = np.unique(frames.relative_seq_bytes, return_counts=True)
    return first[counts > 1]


def samples(folder: Path, role: str, state: str = "ESTABLISHED") -> list[dict[str, str]]:
    """Return the samples of one end's sockets in a state."""
    rows = csv.DictReader(io.StringIO((folder / role / "sockets.csv").read_text()))
    return [row for row in rows if row["state"] == state]
