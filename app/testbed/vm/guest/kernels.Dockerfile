# Look up which kernels Debian offers now; LOOKED_UP is a date, so that the answer is no older than that. The package lists
# stay in the image, for kernel.Dockerfile.
ARG BASE=debian:trixie-slim
FROM ${BASE}
COPY look-up-kernels /usr/local/bin/
ARG SUITES
ARG LOOKED_UP
# hadolint ignore=SC2086
RUN sh /usr/local/bin/look-up-kernels $SUITES > /kernels.txt && test -s /kernels.txt
