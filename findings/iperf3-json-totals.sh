#!/bin/sh
# iperf3 3.12: with -R, -k ends a test after fewer blocks than asked for; and -O does not omit the round trip times.
#
#   - `-k 100 -l 100000` sends exactly 100 blocks of 100000 bytes. With -R the receiver counts, and it adds one for each
#     call of its receive function, whatever came. With a socket buffer below the block (-w) the test ended after 79 to
#     86 blocks, a different number each time, without an error.
#   - `-O 2` leaves the first two seconds out of the sums, but min_rtt, mean_rtt and max_rtt of the "end" are over all
#     intervals, including those that are marked as omitted: the warm-up is still in the round trip times.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
apt-get -qq -o APT::Sandbox::User=root download iperf3=3.12-1+deb12u2 libiperf0=3.12-1+deb12u2 libsctp1=1.0.19+dfsg-2
for deb in *.deb; do dpkg-deb -x "$deb" root; done

cat >test.py <<'END'
import json
import subprocess
import time


def test(*options):
    server = subprocess.Popen(["iperf3", "-s", "-1"], stdout=subprocess.DEVNULL)
    time.sleep(0.5)
    found = subprocess.run(["iperf3", "-c", "127.0.0.1", "-J", *options], capture_output=True, check=True).stdout
    server.wait(timeout=10)
    return json.loads(found)


blocks = ["-k", "100", "-l", "100000", "-w", "50000"]
print("100 blocks of 100000 bytes, sent:", test(*blocks)["end"]["sum_sent"]["bytes"])
received = [test(*blocks, "-R")["end"]["sum_received"]["bytes"] for _ in range(3)]
print("the same with -R, received less each time:", all(number < 10_000_000 for number in received))

result = test("-O", "2", "-t", "2", "-i", "0.5")
rtt = {False: [], True: []}
for interval in result["intervals"]:
    rtt[interval["sum"]["omitted"]].append(interval["streams"][0]["rtt"])
every = rtt[True] + rtt[False]
shown = result["end"]["streams"][0]["sender"]
kept = sum(rtt[False]) // len(rtt[False])
print("some were omitted:", len(rtt[True]) >= 3, "mean differs without them:", sum(every) // len(every) != kept)
same = [shown["min_rtt"], shown["mean_rtt"], shown["max_rtt"]] == [min(every), sum(every) // len(every), max(every)]
print("min_rtt, mean_rtt and max_rtt include them:", same)
END
PATH="$dir/root/usr/bin:$PATH" LD_LIBRARY_PATH="$dir/root/usr/lib/x86_64-linux-gnu" \
    unshare -rn sh -euc 'ip link set lo up; exec python3 test.py' >seen

cat >expected <<'END'
100 blocks of 100000 bytes, sent: 10000000
the same with -R, received less each time: True
some were omitted: True mean differs without them: True
min_rtt, mean_rtt and max_rtt include them: True
END
echo "iperf3 3.12 (Debian 3.12-1+deb12u2), --json on loopback:"
cat seen
diff expected seen || { echo "CHANGED: iperf3 behaves differently now"; exit 1; }
