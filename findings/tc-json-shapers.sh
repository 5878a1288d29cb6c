#!/bin/sh
# tc of iproute2 6.1.0: `tc -j` has other units, other keys and other values than what was set, or is no JSON at all.
#
#   - "rate" is in bytes per second, while the option and the text are in bits (10mbit is 1250000);
#   - tbf has "lat" in microseconds if its limit is above its burst, else "limit" in bytes: keys depend on the values,
#     and the limit that was set is to be computed from rate, lat and burst;
#   - tbf's burst goes through ticks of 64 ns, so that at 10 Gbit/s the 125000 bytes that were set come back as 123750;
#   - `tc -j class show` ignores -j: it prints text, with exit status 0.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
apt-get -qq -o APT::Sandbox::User=root download iproute2=6.1.0-3 libbpf1=1:1.1.2-0+deb12u1 libelf1=0.188-2.1 \
    libmnl0=1.0.4-3 libbsd0=0.11.7-2
for deb in *.deb; do dpkg-deb -x "$deb" root; done

cat >inside <<'END'
for shape in "rate 10mbit burst 10000 limit 30000" "rate 10mbit burst 10000 limit 5000" \
    "rate 10gbit burst 125000 limit 100000"; do
    tc qdisc replace dev lo root tbf $shape
    echo "tbf $shape: $(tc -j qdisc show dev lo | sed 's/.*"options":\({[^}]*}\).*/\1/')"
done
tc qdisc replace dev lo root handle 1: htb
tc class add dev lo parent 1: classid 1:1 htb rate 10mbit
echo "class: $(tc -j class show dev lo), exit status $?"
END
libraries="$dir/root/usr/lib/x86_64-linux-gnu:$dir/root/lib/x86_64-linux-gnu"
PATH="$dir/root/sbin:$PATH" LD_LIBRARY_PATH=$libraries unshare -rn sh -eu inside >seen

cat >expected <<'END'
tbf rate 10mbit burst 10000 limit 30000: {"rate":1250000,"burst":10000,"lat":16000}
tbf rate 10mbit burst 10000 limit 5000: {"rate":1250000,"burst":10000,"limit":5000}
tbf rate 10gbit burst 125000 limit 100000: {"rate":1250000000,"burst":123750,"limit":100000}
class: class htb 1:1 root prio 0 rate 10Mbit ceil 10Mbit burst 1600b cburst 1600b , exit status 0
END
echo "tc of iproute2 6.1.0 (Debian 6.1.0-3), read back with -j:"
cat seen
diff expected seen || { echo "CHANGED: tc behaves differently now"; exit 1; }
