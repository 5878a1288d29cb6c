"""The tour: one transfer after another, to several servers, over each family."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from testbed.peer.client import Transfer
from testbed.peer.contract import DONE
from testbed.peer.descriptor import hold_standard
from testbed.peer.errors import PeerError, UsageError
from testbed.peer.options import Settings, asks_for_help, help_text, read_settings
from testbed.peer.output import Output, complain
from testbed.peer.stop import Stop


def stages(settings: Settings) -> Iterator[Settings]:
    """Yield the settings of each transfer: for every host, over every family; the event logs are numbered."""
    hosts = settings.host.replace(",", " ").split()
    if not hosts:
        raise UsageError("host: there is none in it")
    number = 0
    for host in hosts:
        for family in ("ipv4", "ipv6") if settings.family == "dual" else (settings.family,):
            number += 1
            events = f"{settings.events}.{number}" if settings.events and number > 1 else settings.events
            yield replace(settings, host=host, family=family, events=events)


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run all transfers, whatever becomes of each; return the worst exit status."""
    hold_standard()
    output = Output()
    worst = DONE
    try:
        if asks_for_help(arguments):
            output.lines(help_text("client").splitlines())
            return DONE
        with Stop() as stop:
            for settings in stages(read_settings("client", arguments, environment)):
                worst = max(worst, Transfer(settings, output).run(stop))
                if stop.requested.is_set():
                    break
    except PeerError as error:
        complain("client", error)
        return error.exit_status
    return worst


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
