# The guest's file system: Debian with Docker, one kernel, and our agent. SUITE and VERSION name the kernel.
ARG BASE=debian:trixie-slim

FROM ${BASE} AS kernel
COPY get-kernel first-stage /usr/local/bin/
ARG SUITE
ARG VERSION
RUN sh /usr/local/bin/get-kernel "$SUITE" "$VERSION" /out

FROM ${BASE}
RUN apt-get update -qq \
 && apt-get install -y -qq --no-install-recommends docker.io docker-cli iptables iproute2 kmod procps python3 tini \
 && apt-get clean \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /usr/share/doc /usr/share/man /usr/share/locale \
 && dpkg-query -W -f '${Package} ${Version}\n' > /packages.txt
COPY --from=kernel /out/modules /usr/lib/modules
RUN depmod "$(ls /usr/lib/modules)"
COPY --from=kernel /out/vmlinuz /out/initrd /boot/
COPY daemon.json /etc/docker/daemon.json
COPY init /testbed/init
COPY testbed /testbed/testbed
RUN chmod 755 /testbed/init
