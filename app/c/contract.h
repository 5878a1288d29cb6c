/* GENERATED from app/testbed/peer/contract.py by tools/generate.py; do not edit. */
#ifndef TESTBED_CONTRACT_H
#define TESTBED_CONTRACT_H

#define EXIT_DONE 0
#define EXIT_FAILED 1
#define EXIT_UNSUPPORTED 127
#define MAX_TOTAL_BYTES_KEPT 268435456u

#endif
