"""Follow one connection frame by frame: the rules of docs/packets.md as a state machine.

This is the meaning of every mark. The column-wise code in `regular` gives the same result for frames that continue
their stream in order, and hands all others to this machine; tests hold the two against each other and against tshark.
Sequence numbers are the 32-bit ones of the wire; zero stands for "not known yet", as in Wireshark.
"""

from dataclasses import dataclass, field
from typing import Final

from testbed.analysis.packets.flags import ACK, FIN, RST, SYN, Mark
from testbed.analysis.packets.mark.unacked import MASK, Segment, Unacked, before

# Plain numbers: arithmetic on the enumeration itself takes a quarter of the time of a step.
ACK_LOST_SEGMENT: Final = Mark.ACK_LOST_SEGMENT.value
DUPLICATE_ACK: Final = Mark.DUPLICATE_ACK.value
FAST_RETRANSMISSION: Final = Mark.FAST_RETRANSMISSION.value
KEEP_ALIVE: Final = Mark.KEEP_ALIVE.value
KEEP_ALIVE_ACK: Final = Mark.KEEP_ALIVE_ACK.value
LOST_SEGMENT: Final = Mark.LOST_SEGMENT.value
OUT_OF_ORDER: Final = Mark.OUT_OF_ORDER.value
PARTIAL_ACK: Final = Mark.PARTIAL_ACK.value
RETRANSMISSION: Final = Mark.RETRANSMISSION.value
SPURIOUS_RETRANSMISSION: Final = Mark.SPURIOUS_RETRANSMISSION.value
WINDOW_FULL: Final = Mark.WINDOW_FULL.value
WINDOW_UPDATE: Final = Mark.WINDOW_UPDATE.value
ZERO_WINDOW: Final = Mark.ZERO_WINDOW.value
ZERO_WINDOW_PROBE: Final = Mark.ZERO_WINDOW_PROBE.value
ZERO_WINDOW_PROBE_ACK: Final = Mark.ZERO_WINDOW_PROBE_ACK.value

UNKNOWN_SCALE: Final = -1
"""No SYN of this side has been seen, so its window cannot be known."""
NOT_SCALED: Final = -2
"""The handshake was seen and windows are not scaled."""

NO_WINDOW: Final = MASK
"""The window of a side that has not sent anything."""
MAX_UNACKED_SEGMENTS: Final = 10_000
MAX_IN_FLIGHT_BYTES: Final = 2_000_000_000
FAST_WITHIN_NS: Final = 20_000_000
OUT_OF_ORDER_WITHIN_NS: Final = 3_000_000  # while no round trip time is known
NONE: Final = -1


@dataclass(slots=True)
class Frame:
    """One frame as the machine takes it; `at` is any number that names it.

    `window_scale` is that of the option, `UNKNOWN_SCALE` where there is none; `sack` has left and right edges in turn,
    None where there is no SACK option.
    """

    at: int
    side: int
    time_ns: int
    seq: int
    ack: int
    length: int
    tcp_flags: int
    window: int
    window_scale: int = UNKNOWN_SCALE
    sack: tuple[int, ...] | None = None

    @property
    def plain(self) -> bool:
        """Neither SYN nor FIN nor RST."""
        return not self.tcp_flags & (SYN | FIN | RST)

    @property
    def extra(self) -> int:
        """One sequence number for a SYN or a FIN."""
        return 1 if self.tcp_flags & (SYN | FIN) else 0


@dataclass(slots=True)
class Outcome:
    """What a frame was found to be; numbers are `NONE` where they do not apply."""

    marks: int = 0
    in_flight_bytes: int = 0
    acked_at: int = NONE
    ack_rtt_ns: int = NONE
    rto_ns: int = NONE


@dataclass(slots=True)
class Flow:
    """What is known of one direction after its last frame."""

    next_seq: int = 0
    next_seq_time_ns: int = 0
    max_to_be_acked: int = 0
    last_push_bytes: int = 0
    last_ack: int = 0
    last_ack_time_ns: int = 0
    window: int = NO_WINDOW
    last_marks: int = 0
    dup_acks: int = 0
    scale: int = UNKNOWN_SCALE
    awaits_first_ack: bool = False
    base_seq: int = NONE
    in_flight_valid: bool = True
    sack: tuple[int, ...] = ()
    unacked: Unacked = field(default_factory=Unacked)

    @property
    def shift(self) -> int:
        """How far the window is shifted now: a SYN's window is not scaled."""
        return 0 if self.awaits_first_ack or self.scale == NOT_SCALED else self.scale


def agree_on_scale(sender: Flow, peer: Flow, offered: int, *, is_syn_ack: bool) -> None:
    """Take in the window scale option of a SYN (RFC 7323, section 2.2): both offer it, or nobody scales."""
    if offered != UNKNOWN_SCALE:
        sender.scale = offered
    if sender.scale == UNKNOWN_SCALE:
        sender.scale = peer.scale = NOT_SCALED
    elif is_syn_ack and peer.scale == NOT_SCALED:
        sender.scale = NOT_SCALED


@dataclass(slots=True)
class Machine:
    """Both directions of a connection and what belongs to neither."""

    flows: tuple[Flow, Flow] = field(default_factory=lambda: (Flow(), Flow()))
    syn_time_ns: int = NONE
    initial_rtt_ns: int = NONE

    def step(self, frame: Frame) -> Outcome:
        """Take in the next frame."""
        fwd, rev = self.flows[frame.side], self.flows[1 - frame.side]
        outcome = Outcome()
        if frame.tcp_flags & (SYN | ACK) == SYN and fwd.base_seq != NONE:
            fwd.next_seq = fwd.max_to_be_acked  # the same SYN again; a reset in between may have moved it
        settle_bases(fwd, rev, frame)
        fwd.sack = ()
        if frame.tcp_flags & ACK:
            rev.in_flight_valid = True
        _judge_sequence(fwd, rev, frame, outcome)
        if frame.ack != fwd.last_ack:
            fwd.dup_acks = 0
        _judge_ack(fwd, rev, frame, outcome)
        if frame.length or frame.extra:
            self._judge_repetition(fwd, rev, frame, outcome)
        _advance(fwd, frame, outcome)
        fwd.window = frame.window
        fwd.last_ack = frame.ack
        fwd.last_ack_time_ns = frame.time_ns
        fwd.last_marks = outcome.marks
        _remove_acked(rev, frame, outcome)
        if frame.length and fwd.in_flight_valid and fwd.unacked:
            outcome.in_flight_bytes = _in_flight(fwd, rev, frame)
        self._after(fwd, rev, frame, outcome)
        return outcome

    def _judge_repetition(self, fwd: Flow, rev: Flow, frame: Frame, outcome: Outcome) -> None:
        """Tell the retransmissions and the out-of-order segments apart."""
        if outcome.marks & KEEP_ALIVE:
            return
        end = (frame.seq + frame.length) & MASK
        if frame.length and rev.last_ack and not before(rev.last_ack, end):
            outcome.marks |= SPURIOUS_RETRANSMISSION
            return
        follows_probe = frame.length > 1 and (fwd.next_seq - 1) & MASK == frame.seq
        if not fwd.next_seq or not before(frame.seq, fwd.next_seq) or follows_probe:
            return
        if _is_fast(fwd, rev, frame, end):
            outcome.marks |= FAST_RETRANSMISSION
        elif self._is_out_of_order(fwd, frame, end):
            outcome.marks |= OUT_OF_ORDER
        else:
            outcome.marks |= RETRANSMISSION
            original = fwd.unacked.oldest_from(frame.seq)
            outcome.rto_ns = frame.time_ns - (original.time_ns if original else fwd.next_seq_time_ns)

    def _is_out_of_order(self, fwd: Flow, frame: Frame, end: int) -> bool:
        limit_ns = self.initial_rtt_ns if self.initial_rtt_ns > 0 else OUT_OF_ORDER_WITHIN_NS
        if not 0 <= frame.time_ns - fwd.next_seq_time_ns < limit_ns:
            return False
        if fwd.unacked.covers(frame.seq, end):
            return False
        return fwd.next_seq != (end + frame.extra) & MASK or fwd.last_push_bytes == 0

    def _after(self, fwd: Flow, rev: Flow, frame: Frame, outcome: Outcome) -> None:
        """Take in what Wireshark learns from the flags and options after it has judged the frame."""
        if frame.tcp_flags & SYN:
            if not frame.tcp_flags & ACK:
                self.syn_time_ns = frame.time_ns
            fwd.awaits_first_ack = True
            agree_on_scale(fwd, rev, frame.window_scale, is_syn_ack=bool(frame.tcp_flags & ACK))
        elif frame.tcp_flags & ACK:
            if self.syn_time_ns != NONE and self.initial_rtt_ns <= 0:
                self.initial_rtt_ns = frame.time_ns - self.syn_time_ns
            fwd.awaits_first_ack = False
        if frame.sack is not None:
            fwd.sack = frame.sack
            if outcome.marks & WINDOW_UPDATE:
                outcome.marks ^= WINDOW_UPDATE | DUPLICATE_ACK
                fwd.dup_acks += 1


def settle_bases(fwd: Flow, rev: Flow, frame: Frame) -> None:
    """Note the first sequence number of either side; without its SYN, the one before the first that is seen."""
    if fwd.base_seq == NONE:
        fwd.base_seq = frame.seq if frame.tcp_flags & SYN else (frame.seq - 1) & MASK
    if rev.base_seq == NONE and frame.tcp_flags & ACK:
        rev.base_seq = (frame.ack - 1) & MASK


def _judge_sequence(fwd: Flow, rev: Flow, frame: Frame, outcome: Outcome) -> None:
    if frame.length == 1 and frame.seq == fwd.next_seq and rev.window == 0:
        outcome.marks |= ZERO_WINDOW_PROBE
        return
    if frame.window == 0 and frame.plain:
        outcome.marks |= ZERO_WINDOW
    if fwd.next_seq and before(fwd.next_seq, frame.seq) and not frame.tcp_flags & RST:
        outcome.marks |= LOST_SEGMENT
        fwd.in_flight_valid = False
    if not frame.plain:
        return
    if frame.length <= 1 and frame.seq == (fwd.next_seq - 1) & MASK:
        outcome.marks |= KEEP_ALIVE
    if frame.length:
        if rev.scale != UNKNOWN_SCALE:
            edge = rev.last_ack + (rev.window << rev.shift)
            if (frame.seq + frame.length - edge) & MASK == 0:
                outcome.marks |= WINDOW_FULL
    elif frame.seq == fwd.next_seq:
        _judge_empty(fwd, rev, frame, outcome)


def _judge_empty(fwd: Flow, rev: Flow, frame: Frame, outcome: Outcome) -> None:
    same_ack = frame.ack == fwd.last_ack
    if frame.window == 0:
        one_more = frame.ack == (fwd.last_ack + 1) & MASK
        if fwd.window == 0 and (same_ack or one_more) and rev.last_marks & ZERO_WINDOW_PROBE:
            outcome.marks |= ZERO_WINDOW_PROBE_ACK
            if one_more:  # the receiver took the byte of the probe after all
                rev.next_seq = rev.max_to_be_acked = frame.ack
    elif same_ack and frame.window != fwd.window:
        outcome.marks |= WINDOW_UPDATE
    elif same_ack and rev.last_marks & KEEP_ALIVE:
        outcome.marks |= KEEP_ALIVE_ACK
    elif same_ack:
        outcome.marks |= DUPLICATE_ACK
        fwd.dup_acks += 1


def _judge_ack(fwd: Flow, rev: Flow, frame: Frame, outcome: Outcome) -> None:
    """Find acknowledgements of what was never seen."""
    if not frame.tcp_flags & ACK or not rev.max_to_be_acked or not before(rev.max_to_be_acked, frame.ack):
        return
    one_more = frame.ack == (fwd.last_ack + 1) & MASK
    if one_more and frame.seq == fwd.next_seq and rev.last_marks & ZERO_WINDOW_PROBE:
        rev.next_seq = rev.max_to_be_acked = frame.ack
        outcome.marks |= WINDOW_UPDATE
        return
    outcome.marks |= ACK_LOST_SEGMENT
    rev.max_to_be_acked = rev.unacked.tail_from(frame.ack)


def _is_fast(fwd: Flow, rev: Flow, frame: Frame, end: int) -> bool:
    if rev.dup_acks < 2 or not 0 <= frame.time_ns - rev.last_ack_time_ns < FAST_WITHIN_NS:
        return False
    if rev.last_ack == frame.seq:
        return True
    # Wireshark compares the absolute sequence number with edges relative to the first one; so do we, to agree.
    edges = [(edge - fwd.base_seq) & MASK for edge in rev.sack]
    pairs = list(zip(edges[::2], edges[1::2], strict=True))
    return bool(pairs) and not any(frame.seq >= left and end <= right for left, right in pairs)


def _advance(fwd: Flow, frame: Frame, outcome: Outcome) -> None:
    end = (frame.seq + frame.length) & MASK
    if (frame.length or frame.extra) and len(fwd.unacked) < MAX_UNACKED_SEGMENTS:
        end = (end + frame.extra) & MASK
        fwd.unacked.add(Segment(frame.seq, end, frame.at, frame.time_ns))
    if not fwd.next_seq or before((fwd.next_seq + frame.extra) & MASK, end):
        fwd.last_push_bytes = frame.length
    is_probe = outcome.marks & ZERO_WINDOW_PROBE
    if not is_probe and (not fwd.next_seq or before(fwd.next_seq, end)):
        fwd.next_seq = end
        fwd.next_seq_time_ns = frame.time_ns
    if not is_probe and (not fwd.max_to_be_acked or frame.seq == fwd.max_to_be_acked):
        fwd.max_to_be_acked = fwd.next_seq


def _remove_acked(rev: Flow, frame: Frame, outcome: Outcome) -> None:
    segment, inside = rev.unacked.acknowledge(frame.ack)
    if segment is not None:
        outcome.acked_at = segment.at
        outcome.ack_rtt_ns = frame.time_ns - segment.time_ns
        if inside:
            outcome.marks |= PARTIAL_ACK


def _in_flight(fwd: Flow, rev: Flow, frame: Frame) -> int:
    delivered = sum((right - left) & MASK for left, right in zip(rev.sack[::2], rev.sack[1::2], strict=True))
    in_flight = (fwd.unacked.span_bytes() - delivered) & MASK
    return in_flight - frame.extra if 0 < in_flight < MAX_IN_FLIGHT_BYTES else 0
