from random import Random

from netem.pipeline import Counters, Resources
from netem.pipeline.noop import NoopStage
from netem.pipeline.packet import Packet
from netem.pipeline.queue import TimeQueue
from netem.pipeline.stage import StageContext
from netem.spec import Impairment


def test_it_changes_nothing() -> None:
    counters = Counters()
    packet = Packet(b"frame", 5, 7)
    NoopStage(StageContext(Impairment(), Random(1), counters, TimeQueue(), Resources(), 0)).apply(packet)
    assert (packet.frame, packet.copies, packet.due_ns, packet.dropped_by, packet.overtakes) == (
        b"frame",
        1,
        7,
        None,
        False,
    )
    assert counters == Counters()
