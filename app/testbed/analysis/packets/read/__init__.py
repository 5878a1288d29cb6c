"""Find the records of a capture file: pcap and pcapng."""
