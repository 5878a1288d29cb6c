"""The tour: one transfer after another, to several servers, over each family."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from testbed.peer.client import Transfer
from testbed.peer.contract import DONE
from testbed.peer.descriptor import reserve_standard_descriptors
from testbed.peer.errors import PeerError, UsageError
from testbed.peer.options import Options, help_requested, help_text, read_options
from testbed.peer.output import Output, print_error
from testbed.peer.stop import Stop


def stages(options: Options) -> Iterator[Options]:
    """Yield the options of each transfer, for every host over every family; the event logs are numbered."""
    hosts = options.host.replace(",", " ").split()
    if not hosts:
        raise UsageError("host: must not be empty")
    number = 0
    for host in hosts:
        for family in ("ipv4", "ipv6") if options.family == "dual" else (options.family,):
            number += 1
            events = f"{options.events}.{number}" if options.events and number > 1 else options.events
            yield replace(options, host=host, family=family, events=events)


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run all transfers, even after a failure; return the highest exit code."""
    reserve_standard_descriptors()
    output = Output()
    worst = DONE
    try:
        if help_requested(arguments):
            output.lines(help_text("client").splitlines())
            return DONE
        with Stop() as stop:
            for options in stages(read_options("client", arguments, environment)):
                worst = max(worst, Transfer(options, output).run(stop))
                if stop.requested.is_set():
                    break
    except PeerError as error:
        print_error("client", error)
        return error.exit_code
    return worst


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
