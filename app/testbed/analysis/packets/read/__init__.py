"""Capture files to records: pcap and pcapng."""
