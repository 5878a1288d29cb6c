"""Track one connection frame by frame: the rules of docs/packets.md as a state machine.

This module defines the marks; the package's docstring explains how it works together with the fast path. Sequence
numbers are those of the headers, 32 bits wide; zero stands for "not known yet", as in Wireshark.
"""

from dataclasses import dataclass, field
from typing import Final

from testbed.analysis.packets.flags import ACK, FIN, RST, SYN, Mark
from testbed.analysis.packets.mark.unacked import MASK, SentSegment, Unacked, before

# Plain integers: arithmetic on the enumeration would take a quarter of the time of a step.
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
"""The capture has no SYN of this flow, so its windows are unknown."""
NOT_SCALED: Final = -2
"""The handshake is in the capture and did not agree on window scaling."""

NO_WINDOW: Final = MASK
"""The window of a flow that has no frame yet."""
MAX_UNACKED_SEGMENTS: Final = 10_000
MAX_IN_FLIGHT_BYTES: Final = 2_000_000_000
FAST_WITHIN_NS: Final = 20_000_000
OUT_OF_ORDER_WITHIN_NS: Final = 3_000_000  # while the initial round trip time is unknown
NONE: Final = -1


@dataclass(slots=True)
class Frame:
    """One frame; `at` is its index and `flow` the index of its sender's flow.

    `window_scale` is the option's value, `UNKNOWN_SCALE` where there is none; `sack` has left and right edges
    alternately, None where there is no SACK option.
    """

    at: int
    flow: int
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
        """Whether the frame has none of SYN, FIN and RST."""
        return not self.tcp_flags & (SYN | FIN | RST)

    @property
    def syn_fin(self) -> int:
        """The number of sequence numbers that a SYN or FIN occupies: 1 or 0."""
        return 1 if self.tcp_flags & (SYN | FIN) else 0


@dataclass(slots=True)
class FrameAnalysis:
    """The marks and numbers of one frame; numbers are `NONE` where they do not apply."""

    marks: int = 0
    in_flight_bytes: int = 0
    acked_at: int = NONE
    ack_rtt_ns: int = NONE
    rto_ns: int = NONE


@dataclass(slots=True)
class FlowState:
    """The state of one flow after its last frame; the package's docstring explains the fields."""

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
        """The shift of the last frame's window; a SYN's window is not scaled."""
        return 0 if self.awaits_first_ack or self.scale == NOT_SCALED else self.scale


def negotiate_scale(fwd: FlowState, rev: FlowState, offered: int, *, is_syn_ack: bool) -> None:
    """Apply the window scale option of a SYN; scaling takes an offer from both peers (RFC 7323, section 2.2)."""
    if offered != UNKNOWN_SCALE:
        fwd.scale = offered
    if fwd.scale == UNKNOWN_SCALE:
        fwd.scale = rev.scale = NOT_SCALED
    elif is_syn_ack and rev.scale == NOT_SCALED:
        fwd.scale = NOT_SCALED


@dataclass(slots=True)
class ReferenceTracker:
    """The state of a connection: both flows, and the time of the last SYN and the round trip time after it."""

    flows: tuple[FlowState, FlowState] = field(default_factory=lambda: (FlowState(), FlowState()))
    syn_time_ns: int = NONE
    initial_rtt_ns: int = NONE

    def step(self, frame: Frame) -> FrameAnalysis:
        """Process the next frame of the connection."""
        fwd, rev = self.flows[frame.flow], self.flows[1 - frame.flow]
        analysis = FrameAnalysis()
        if frame.tcp_flags & (SYN | ACK) == SYN and fwd.base_seq != NONE:
            fwd.next_seq = fwd.max_to_be_acked  # the same SYN again; a reset in between may have moved it
        set_base_seqs(fwd, rev, frame)
        fwd.sack = ()
        if frame.tcp_flags & ACK:
            rev.in_flight_valid = True
        _mark_sequence(fwd, rev, frame, analysis)
        if frame.ack != fwd.last_ack:
            fwd.dup_acks = 0
        _mark_ack(fwd, rev, frame, analysis)
        if frame.length or frame.syn_fin:
            self._mark_repetition(fwd, rev, frame, analysis)
        _advance(fwd, frame, analysis)
        fwd.window = frame.window
        fwd.last_ack = frame.ack
        fwd.last_ack_time_ns = frame.time_ns
        fwd.last_marks = analysis.marks
        _remove_acked(rev, frame, analysis)
        if frame.length and fwd.in_flight_valid and fwd.unacked:
            analysis.in_flight_bytes = _in_flight(fwd, rev, frame)
        self._update_handshake(fwd, rev, frame, analysis)
        return analysis

    def _mark_repetition(self, fwd: FlowState, rev: FlowState, frame: Frame, analysis: FrameAnalysis) -> None:
        """Distinguish retransmissions and out-of-order segments."""
        if analysis.marks & KEEP_ALIVE:
            return
        end = (frame.seq + frame.length) & MASK
        if frame.length and rev.last_ack and not before(rev.last_ack, end):
            analysis.marks |= SPURIOUS_RETRANSMISSION
            return
        follows_probe = frame.length > 1 and (fwd.next_seq - 1) & MASK == frame.seq
        if not fwd.next_seq or not before(frame.seq, fwd.next_seq) or follows_probe:
            return
        if _is_fast(fwd, rev, frame, end):
            analysis.marks |= FAST_RETRANSMISSION
        elif self._is_out_of_order(fwd, frame, end):
            analysis.marks |= OUT_OF_ORDER
        else:
            analysis.marks |= RETRANSMISSION
            original = fwd.unacked.oldest_from(frame.seq)
            analysis.rto_ns = frame.time_ns - (original.time_ns if original else fwd.next_seq_time_ns)

    def _is_out_of_order(self, fwd: FlowState, frame: Frame, end: int) -> bool:
        limit_ns = self.initial_rtt_ns if self.initial_rtt_ns > 0 else OUT_OF_ORDER_WITHIN_NS
        if not 0 <= frame.time_ns - fwd.next_seq_time_ns < limit_ns:
            return False
        if fwd.unacked.covers(frame.seq, end):
            return False
        return fwd.next_seq != (end + frame.syn_fin) & MASK or fwd.last_push_bytes == 0

    def _update_handshake(self, fwd: FlowState, rev: FlowState, frame: Frame, analysis: FrameAnalysis) -> None:
        """Apply SYN, ACK and SACK; Wireshark does so after the analysis of the frame."""
        if frame.tcp_flags & SYN:
            if not frame.tcp_flags & ACK:
                self.syn_time_ns = frame.time_ns
            fwd.awaits_first_ack = True
            negotiate_scale(fwd, rev, frame.window_scale, is_syn_ack=bool(frame.tcp_flags & ACK))
        elif frame.tcp_flags & ACK:
            if self.syn_time_ns != NONE and self.initial_rtt_ns <= 0:
                self.initial_rtt_ns = frame.time_ns - self.syn_time_ns
            fwd.awaits_first_ack = False
        if frame.sack is not None:
            fwd.sack = frame.sack
            if analysis.marks & WINDOW_UPDATE:
                analysis.marks ^= WINDOW_UPDATE | DUPLICATE_ACK
                fwd.dup_acks += 1


def set_base_seqs(fwd: FlowState, rev: FlowState, frame: Frame) -> None:
    """Set the ISN of both flows; without its SYN, the number before the first one in the capture."""
    if fwd.base_seq == NONE:
        fwd.base_seq = frame.seq if frame.tcp_flags & SYN else (frame.seq - 1) & MASK
    if rev.base_seq == NONE and frame.tcp_flags & ACK:
        rev.base_seq = (frame.ack - 1) & MASK


def _mark_sequence(fwd: FlowState, rev: FlowState, frame: Frame, analysis: FrameAnalysis) -> None:
    if frame.length == 1 and frame.seq == fwd.next_seq and rev.window == 0:
        analysis.marks |= ZERO_WINDOW_PROBE
        return
    if frame.window == 0 and frame.plain:
        analysis.marks |= ZERO_WINDOW
    if fwd.next_seq and before(fwd.next_seq, frame.seq) and not frame.tcp_flags & RST:
        analysis.marks |= LOST_SEGMENT
        fwd.in_flight_valid = False
    if not frame.plain:
        return
    if frame.length <= 1 and frame.seq == (fwd.next_seq - 1) & MASK:
        analysis.marks |= KEEP_ALIVE
    if frame.length:
        if rev.scale != UNKNOWN_SCALE:
            edge = rev.last_ack + (rev.window << rev.shift)
            if (frame.seq + frame.length - edge) & MASK == 0:
                analysis.marks |= WINDOW_FULL
    elif frame.seq == fwd.next_seq:
        _mark_empty(fwd, rev, frame, analysis)


def _mark_empty(fwd: FlowState, rev: FlowState, frame: Frame, analysis: FrameAnalysis) -> None:
    same_ack = frame.ack == fwd.last_ack
    if frame.window == 0:
        one_more = frame.ack == (fwd.last_ack + 1) & MASK
        if fwd.window == 0 and (same_ack or one_more) and rev.last_marks & ZERO_WINDOW_PROBE:
            analysis.marks |= ZERO_WINDOW_PROBE_ACK
            if one_more:  # the receiver accepted the byte of the probe
                rev.next_seq = rev.max_to_be_acked = frame.ack
    elif same_ack and frame.window != fwd.window:
        analysis.marks |= WINDOW_UPDATE
    elif same_ack and rev.last_marks & KEEP_ALIVE:
        analysis.marks |= KEEP_ALIVE_ACK
    elif same_ack:
        analysis.marks |= DUPLICATE_ACK
        fwd.dup_acks += 1


def _mark_ack(fwd: FlowState, rev: FlowState, frame: Frame, analysis: FrameAnalysis) -> None:
    """Find acknowledgements of data that is not in the capture."""
    if not frame.tcp_flags & ACK or not rev.max_to_be_acked or not before(rev.max_to_be_acked, frame.ack):
        return
    one_more = frame.ack == (fwd.last_ack + 1) & MASK
    if one_more and frame.seq == fwd.next_seq and rev.last_marks & ZERO_WINDOW_PROBE:
        rev.next_seq = rev.max_to_be_acked = frame.ack
        analysis.marks |= WINDOW_UPDATE
        return
    analysis.marks |= ACK_LOST_SEGMENT
    rev.max_to_be_acked = rev.unacked.tail_from(frame.ack)


def _is_fast(fwd: FlowState, rev: FlowState, frame: Frame, end: int) -> bool:
    if rev.dup_acks < 2 or not 0 <= frame.time_ns - rev.last_ack_time_ns < FAST_WITHIN_NS:
        return False
    if rev.last_ack == frame.seq:
        return True
    # Wireshark compares the absolute sequence number with edges relative to the ISN; this does the same, to agree.
    edges = [(edge - fwd.base_seq) & MASK for edge in rev.sack]
    pairs = list(zip(edges[::2], edges[1::2], strict=True))
    return bool(pairs) and not any(frame.seq >= left and end <= right for left, right in pairs)


def _advance(fwd: FlowState, frame: Frame, analysis: FrameAnalysis) -> None:
    end = (frame.seq + frame.length) & MASK
    if (frame.length or frame.syn_fin) and len(fwd.unacked) < MAX_UNACKED_SEGMENTS:
        end = (end + frame.syn_fin) & MASK
        fwd.unacked.add(SentSegment(frame.seq, end, frame.at, frame.time_ns))
    if not fwd.next_seq or before((fwd.next_seq + frame.syn_fin) & MASK, end):
        fwd.last_push_bytes = frame.length
    is_probe = analysis.marks & ZERO_WINDOW_PROBE
    if not is_probe and (not fwd.next_seq or before(fwd.next_seq, end)):
        fwd.next_seq = end
        fwd.next_seq_time_ns = frame.time_ns
    if not is_probe and (not fwd.max_to_be_acked or frame.seq == fwd.max_to_be_acked):
        fwd.max_to_be_acked = fwd.next_seq


def _remove_acked(rev: FlowState, frame: Frame, analysis: FrameAnalysis) -> None:
    segment, inside = rev.unacked.acknowledge(frame.ack)
    if segment is not None:
        analysis.acked_at = segment.at
        analysis.ack_rtt_ns = frame.time_ns - segment.time_ns
        if inside:
            analysis.marks |= PARTIAL_ACK


def _in_flight(fwd: FlowState, rev: FlowState, frame: Frame) -> int:
    delivered = sum((right - left) & MASK for left, right in zip(rev.sack[::2], rev.sack[1::2], strict=True))
    in_flight = (fwd.unacked.span_bytes() - delivered) & MASK
    return in_flight - frame.syn_fin if 0 < in_flight < MAX_IN_FLIGHT_BYTES else 0
