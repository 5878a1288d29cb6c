"""Mark every frame as Wireshark's TCP analysis does: retransmission, duplicate ACK, zero window and so on.

Rules for this package
======================

- It is pure: arrays in, arrays out. It imports `flags`, `follow` and nothing above itself.
- `reference` is the definition of the marks. A change of meaning begins there and in docs/packets.md. All other modules
  exist for speed; they must give the same result on every input, not only on plausible traffic.
- Two tests prove this. tests/unit/analysis/packets/mark/test_marking.py compares `mark_batch` with
  `mark_by_reference` on random exchanges. tests/integration/test_tshark_oracle.py compares the result with tshark.
- A bound or a condition that looks arbitrary is probably Wireshark's. Keep it, or document the deviation in
  docs/packets.md, "Where tshark differs".

Where the rules come from
=========================

RFC 9293 defines sequence numbers (section 3.4) and windows (section 3.8.6), but not what an observer on the path should
call a segment. Wireshark defines that: `tcp_analyze_sequence_number()` in epan/dissectors/packet-tcp.c and the section
"TCP Analysis" of its User's Guide; we follow version 4.4. Two marks are ours, because Wireshark has no analysis flag
for them: WINDOW_PROBE (RFC 9293, section 3.8.6.1, as Linux sends it) and DUPLICATE_SACK (RFC 2883, section 4).

Wireshark keeps two flows for a connection and names them from each frame's point of view: `fwd` is the flow of the
frame's sender, `rev` the opposite one. The modules here use these two names in the same way. The state of a flow:

    FlowState               packet-tcp.c             meaning
    next_seq                nextseq                  end of the highest segment sent; a SYN or FIN counts one
    next_seq_time_ns        nextseqtime              when next_seq moved last
    max_to_be_acked         maxseqtobeacked          end of what was sent without a gap in the capture
    last_ack                lastack                  acknowledgement number of the last frame
    dup_acks                dupacknum                duplicate acknowledgements since last_ack changed
    window                  window                   unscaled window of the last frame
    scale                   win_scale                negotiated window scale (RFC 7323, section 2)
    last_marks              lastsegmentflags         marks of the last frame
    last_push_bytes         (for OUT_OF_ORDER)       payload of the frame that moved next_seq last
    in_flight_valid         valid_bif                whether bytes in flight are known
    unacked                 segments                 segments without an acknowledgement, at most 10 000

Theory of operation
===================

The reference tracker processes one connection frame by frame and updates both flows. Its code is easy to compare with
Wireshark's, but one step takes microseconds of Python: a capture of ten million frames would take minutes. Nearly all
frames of a real capture continue their stream in order, and for those the state need not be computed step by step:

- next_seq is the running maximum of the ends of all segments, and max_to_be_acked is the same number;
- the state of `rev` is that of its last frame;
- the unacknowledged segments are those between the highest acknowledgement and next_seq.

Each of these is one NumPy expression over all connections of a batch. That is the fast path:

    Batch -> two Directions -> fast path ------------------------------> AnalysisColumns
                    |            |                                             ^
                    |            +- needs_reference: frames to redo            |
                    |                        |                                 |
                    +--> Resumer: state before that frame -> ReferenceTracker -+

1. `fast_path` marks all frames as if all of them were in order. `needs_reference` lists the frames for which that may
   be wrong: after a gap, retransmitted, acknowledging data that is not in the capture, repeated SYNs and so on.
2. `marking` starts the reference at the first such frame. `resume` builds the tracker's state from the columns, which
   is possible because all frames before it are in order. The tracker overwrites the columns, frame by frame.
3. From time to time `marking` compares the tracker's state with the state that `resume` builds at this position. If
   they are equal, the disturbance is over: the tracker stops, and the fast path's results are valid up to the next
   frame of `needs_reference`. Building a state takes as long as about 20 steps, so the distance between two comparisons
   doubles, up to a limit.
4. Our own two marks depend on finished marks and on options only, so one last pass over the columns adds them.

`scales` gives both the fast path and a resumed tracker the window scales that apply before each frame. The scales may
change within a connection, because a SYN may be retransmitted with another offer. `relative` counts sequence numbers
from the first one; marks do not depend on it.

The result of a frame never depends on other connections of the batch, nor on where batches begin.
"""
