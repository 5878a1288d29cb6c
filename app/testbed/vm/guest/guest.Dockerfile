# The guest's file system without its kernel and our agent: Debian with Docker.
ARG BASE=debian:trixie-slim
FROM ${BASE}
RUN apt-get update -qq \
 && apt-get install -y -qq --no-install-recommends -o Dpkg::Options::=--force-unsafe-io \
    -o Dpkg::Options::='--path-exclude=/usr/share/doc/*' -o Dpkg::Options::='--path-exclude=/usr/share/man/*' \
    -o Dpkg::Options::='--path-exclude=/usr/share/locale/*' \
    crun docker.io docker-cli iptables iproute2 kmod procps python3 tini \
 && apt-get clean \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /usr/share/doc /usr/share/man /usr/share/locale \
 && dpkg-query -W -f '${Package} ${Version}\n' > /packages.txt
