# The tool that writes a disk from a tar stream.
ARG BASE=debian:trixie-slim
FROM ${BASE}
# hadolint ignore=DL3009
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends e2fsprogs libarchive13t64
COPY make-disk /usr/local/bin/
ENTRYPOINT ["sh", "/usr/local/bin/make-disk"]
