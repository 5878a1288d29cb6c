from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tools.picture import Curve, curve, picture, step

CLIENT = "# realtime_offset_ns=1\nop,start_ns,end_ns,bytes,total_bytes\n" + "\n".join(
    ["connect,1000000000,1000500000,0,0", "write,1001000000,1002000000,100,100", "write,1002000000,1003000000,50,150"]
)
SERVER = "# realtime_offset_ns=1\nop,start_ns,end_ns,bytes,total_bytes\n" + "\n".join(
    ["read,1004000000,1005000000,80,80", "sleep,1005000000,2005000000,0,80", "read,2005000000,2006000000,70,150"]
)


def test_a_curve_has_the_calls_of_one_kind() -> None:
    assert curve(CLIENT, "write", 10**9) == Curve([(0.0, 0.0), (0.002, 100.0), (0.003, 150.0)])
    assert curve(SERVER, "read", 10**9).end == (1.006, 150.0)


@pytest.mark.parametrize(("span", "most", "wanted"), [(31, 8, 5), (255, 5, 100), (1, 8, 1), (10, 5, 2), (1000, 5, 200)])
def test_steps_are_round(span: float, most: int, wanted: float) -> None:
    assert step(span, most) == wanted


def test_the_picture_is_complete_and_loads_nothing_external(tmp_path: Path) -> None:
    for side, log in (("client", CLIENT), ("server", SERVER)):
        (tmp_path / side).mkdir()
        (tmp_path / side / "events.csv").write_text(log)
    svg = picture(tmp_path, "a title")
    root = ET.fromstring(svg)
    words = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "a title" in words
    assert "written: all of it within 3 ms" in words
    assert "read: the last byte after 1.0 s" in words
    assert "href" not in svg
    assert "url(" not in svg
