import json
from pathlib import Path

from netem.system.output import write_link_json


def test_link_json_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "link.json"
    path.write_text("old")
    write_link_json(path, {"link": {"engine": "none"}})
    assert json.loads(path.read_text()) == {"link": {"engine": "none"}}
    assert list(tmp_path.iterdir()) == [path]
