#!/bin/bash
# Record what one run of reader.py sends over loopback: record.sh FILE IMPAIRMENT SETTINGS
# IMPAIRMENT: none | queue (drops before the capture sees the frame) | in-N or back-N (drops N % of the data, or of the
# acknowledgements, after the capture has seen them). Leaves FILE, and FILE.log with tcpdump's own counts.
set -eu
file=$1 impairment=$2 settings=$3
ip link set lo mtu 1500
case $impairment in
none) ;;
queue) tc qdisc replace dev lo root tbf rate 20mbit burst 10kb limit 15kb ;;
in-*|back-*)
  direction=dport; [ "${impairment%-*}" = back ] && direction=sport
  nft add table inet drops
  nft 'add chain inet drops in { type filter hook input priority 0; }'
  nft add rule inet drops in tcp $direction 8888 numgen random mod 100 '<' "${impairment#*-}" drop ;;
esac
rm -f "$file" "$file.log"  # or the line of the run before would be taken for this one's
tcpdump -i lo -s 128 -U --immediate-mode -B 65536 --time-stamp-precision=nano -n -Z root -w "$file" tcp 2>"$file.log" &
capture=$!
for _ in $(seq 100); do grep -qs "listening on" "$file.log" && break; sleep 0.05; done
timeout 60 python3 /tools/reader.py "$settings"
sleep 0.2
kill -INT $capture
wait $capture
tc qdisc del dev lo root 2>/dev/null || true
nft flush ruleset
