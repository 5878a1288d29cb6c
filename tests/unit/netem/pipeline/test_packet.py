from netem.pipeline.packet import Packet


def test_a_packet_begins_undecided() -> None:
    packet = Packet(b"frame", 5, 7)
    assert (packet.arrived_ns, packet.due_ns, packet.copies, packet.dropped_by) == (7, 7, 1, None)
