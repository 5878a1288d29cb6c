"""Make exchanges that no TCP stack would produce: all cases of the rules, in random order, from a seed."""

import random
from dataclasses import dataclass, field

from tests.support.captures import ACK, EPOCH_NS, FIN, PSH, RST, SYN, Segment, sack, syn_options

STEPS_NS = (0, 10, 1000, 1_000_000, 10_000_000, 30_000_000)
LENGTHS = (1, 1, 100, 1448, 20_000)
WINDOWS = (0, 0, 1, 500, 60_000)
# SACK blocks relative to the acknowledgement number. From the third on, they are duplicate SACKs or nearly so.
BLOCKS = (
    (100, 300),
    (100, 300, 1000, 2000),
    (-300, -100),
    (-300, 0, 100, 300),
    (-100, 100),
    (1000, 1200, 1000, 2000),
    (900, 1200, 1000, 2000),
)
ANY_FLAGS = (RST, RST | ACK, ACK, FIN | ACK, SYN, SYN | ACK, PSH | ACK, 0)


@dataclass
class PeerState:
    next_seq: int
    acked: int = 0
    window: int = 60_000
    held_back: list[tuple[int, int]] = field(default_factory=list)


@dataclass
class RandomExchange:
    """Makes `count` segments of one connection; `loss` and `chaos` are probabilities."""

    rng: random.Random
    count: int
    port: int
    loss: float = 0.0
    chaos: float = 0.0
    segments: list[Segment] = field(default_factory=list)
    now_ns: int = EPOCH_NS

    def make(self) -> list[Segment]:
        """Return the segments."""
        rng = self.rng
        first = [rng.choice((rng.randrange(1, 2**32), 2**32 - rng.randrange(1, 3000), 5)) for _ in range(2)]
        self.peers = [PeerState(first[0], first[1]), PeerState(first[1], first[0])]
        if rng.random() < 0.7:
            self._shake_hands(first)
        while len(self.segments) < self.count:
            self.now_ns += rng.choice(STEPS_NS)
            self._act(rng.randrange(2) if rng.random() < 0.3 else 0, rng.random())
        return self.segments

    def _shake_hands(self, first: list[int]) -> None:
        for side, flags in ((0, SYN), (1, SYN | ACK)):
            options = syn_options(scale=self.rng.choice((None, 7, 10)))
            self._emit(side, first[side], first[0] + 1 if side else 0, flags, options=options)
            self.now_ns += self.rng.randrange(1, 10_000_000)
        self.peers = [PeerState(first[0] + 1, first[1] + 1), PeerState(first[1] + 1, first[0] + 1)]
        self._emit(0, first[0] + 1, first[1] + 1, ACK)

    def _act(self, side: int, draw: float) -> None:
        end, peer = self.peers[side], self.peers[1 - side]
        if draw < 0.5:
            self._send(side, end)
        elif draw < 0.85:
            self._acknowledge(side, end, peer)
        elif draw < 0.9:
            self._emit(side, end.next_seq - 1, end.acked, ACK, self.rng.choice((0, 0, 1)))
        elif draw < 0.93 and end.held_back:
            seq, length = end.held_back.pop(self.rng.randrange(len(end.held_back)))
            self._emit(side, seq, end.acked, ACK | PSH, length)
        elif draw < 0.93 + self.chaos:
            self._send_anything(side, end, peer)

    def _send(self, side: int, end: PeerState) -> None:
        seq, length = end.next_seq, self.rng.choice(LENGTHS)
        end.next_seq += length
        lost = self.rng.random() < self.loss
        if not lost:
            self._emit(side, seq, end.acked, ACK | PSH, length)
        if lost or self.rng.random() < 0.1:
            end.held_back.append((seq, length))

    def _acknowledge(self, side: int, end: PeerState, peer: PeerState) -> None:
        rng = self.rng
        behind = max(end.acked, peer.next_seq - rng.randrange(30_000))
        end.acked = max(end.acked, rng.choice((peer.next_seq, peer.next_seq, behind, end.acked, end.acked)))
        if rng.random() < 0.2:
            end.window = rng.choice(WINDOWS)
        options = b""
        if rng.random() < 0.1:
            options = sack(*(end.acked + offset for offset in rng.choice(BLOCKS)))
        if rng.random() >= self.loss:
            self._emit(side, end.next_seq, end.acked, ACK, options=options)

    def _send_anything(self, side: int, end: PeerState, peer: PeerState) -> None:
        rng = self.rng
        seq = rng.choice((0, end.next_seq, rng.randrange(2**32), end.next_seq + rng.randrange(5000)))
        ack = rng.choice((0, end.acked, rng.randrange(2**32), peer.next_seq + rng.randrange(3000)))
        self.peers[side].window = rng.choice((0, 5, 500))
        self._emit(side, seq, ack, rng.choice(ANY_FLAGS), rng.choice((0, 0, 1, 100)))

    def _emit(self, side: int, seq: int, ack: int, flags: int, length: int = 0, options: bytes = b"") -> None:
        self.segments.append(
            Segment(
                seq, ack, flags, length, self.peers[side].window, bool(side), self.now_ns, options, (self.port, 8888)
            )
        )


def random_segments(seed: int, *, same_ports: bool = False) -> list[Segment]:
    """Return the segments of one to four connections in order of time; with `same_ports`, consecutively."""
    rng = random.Random(seed)
    connections = []
    for number in range(rng.choice((1, 2, 4))):
        loss, chaos = rng.choice((0, 0, 0.02, 0.1)), rng.choice((0, 0, 0, 0.02, 0.1))
        port = 40_000 if same_ports else 40_000 + number
        made = RandomExchange(rng, rng.choice((10, 100, 300)), port, loss, chaos)
        if same_ports and connections:
            made.now_ns = connections[-1][-1].time_ns + 1_000_000_000
        connections.append(made.make())
    return sorted((segment for segments in connections for segment in segments), key=lambda s: s.time_ns)
