"""Marks for frames by what Wireshark calls them: retransmission, duplicate ACK, zero window, ..."""
