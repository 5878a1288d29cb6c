# One kernel of Debian: vmlinuz, initrd and modules in /out. KERNELS is the image with the package lists.
ARG KERNELS=testbed-vm-kernels
FROM ${KERNELS}
COPY get-kernel first-stage /usr/local/bin/
ARG SUITE
ARG VERSION
RUN sh /usr/local/bin/get-kernel "$SUITE" "$VERSION" /out
