"""Records to segments: link, IP and TCP headers."""
