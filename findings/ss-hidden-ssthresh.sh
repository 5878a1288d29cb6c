#!/bin/sh
# ss of iproute2 6.1.0: a slow start threshold of 65535 or more is not shown, as if the connection had had no loss.
#
# `ss -ti` leaves out "ssthresh" unless it is below 65535. The kernel's value for "none yet" is 2147483647, and the unit
# is segments: 65535 of 1448 bytes are 95 MB in flight, a fast and long path. A script that takes a missing "ssthresh"
# for "still in the first slow start" is wrong about such a connection. Here the threshold is the metric of a route.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
apt-get -qq -o APT::Sandbox::User=root download iproute2=6.1.0-3 libbpf1=1:1.1.2-0+deb12u1 libelf1=0.188-2.1 \
    libmnl0=1.0.4-3 libbsd0=0.11.7-2
for deb in *.deb; do dpkg-deb -x "$deb" root; done

cat >connect.py <<'END'
import re
import socket
import struct
import subprocess

listener = socket.create_server(("127.0.0.1", 5000))
for attempt in range(2):  # the first one copies the route's metrics into the kernel's TCP metrics, for the second one
    with socket.socket() as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"reno")
        client.connect(("127.0.0.1", 5000))
        with listener.accept()[0] as server:
            client.send(b"x")
            server.recv(1)
            if attempt:
                info = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
                shown = subprocess.check_output(["ss", "-tin", "dport = :5000"], text=True)
                assert " cwnd:" in shown
                found = re.search(r" ssthresh:(\d+)", shown)
                print("TCP_INFO", struct.unpack_from("8x24I", info)[17], "ss", found[1] if found else "nothing")
END
cat >inside <<'END'
ip link set lo up
echo 0 >/proc/sys/net/ipv4/tcp_no_ssthresh_metrics_save
ip route del local 127.0.0.1 dev lo table local
ip route replace local 127.0.0.0/8 dev lo table local ssthresh lock "$1"
python3 connect.py
END
libraries="$dir/root/usr/lib/x86_64-linux-gnu:$dir/root/lib/x86_64-linux-gnu"
for threshold in 65534 65535 70000; do
    PATH="$dir/root/bin:$dir/root/sbin:$PATH" LD_LIBRARY_PATH=$libraries unshare -rn sh -eu inside "$threshold"
done >seen

cat >expected <<'END'
TCP_INFO 65534 ss 65534
TCP_INFO 65535 ss nothing
TCP_INFO 70000 ss nothing
END
echo "ss of iproute2 6.1.0 (Debian 6.1.0-3), ssthresh of one connection as the kernel and as ss give it:"
cat seen
diff expected seen || { echo "CHANGED: ss behaves differently now"; exit 1; }
