"""Check the profile of a scenario: a list of entries for both ends, or a mapping of client and server to lists.

`netem.spec.profile` defines an entry; this module checks it and converts it to plain JSON values.
"""

import json
from collections.abc import Mapping
from functools import lru_cache

from netem.spec import Impairment
from netem.spec.profile import parse_profile
from testbed.scenario.ends import ROLES, Role
from testbed.scenario.messages import abbreviated

Entry = dict[str, str | dict[str, str]]
Entries = list[Entry] | dict[Role, list[Entry]]


def read_profile(given: object) -> Entries:
    """Check and return a profile, empty if there is none; raises ValueError with the position of the error."""
    if isinstance(given, Mapping):
        unknown = [key for key in given if key not in ROLES]
        if unknown or not given:
            raise ValueError(f"a profile for {', '.join(map(repr, unknown)) or 'no end'}: use client or server")
        return {role: _read_list(given[role]) for role in ROLES if role in given}
    return _read_list(given) if given else []


def _read_list(given: object) -> list[Entry]:
    if not isinstance(given, list | tuple):
        raise ValueError(f"a profile is a list of entries {{at, netem}}, not {abbreviated(given)}")  # noqa: TRY004 - a file's mistake
    plain: list[Entry] = [_plain(entry) for entry in given]
    parse_profile(plain)
    return plain


def _plain(entry: object) -> Entry:
    if not isinstance(entry, Mapping):
        raise ValueError(f"an entry of a profile is a mapping with `at`, not {abbreviated(entry)}")  # noqa: TRY004 - as above
    return {
        str(key): {str(name): str(word) for name, word in value.items()} if isinstance(value, Mapping) else str(value)
        for key, value in entry.items()
    }


def profile_of(profile: Entries, role: Role) -> list[Entry]:
    """Return the entries for one end."""
    return profile.get(role, []) if isinstance(profile, dict) else profile


def profile_changes(entries: list[Entry]) -> tuple[Impairment, ...]:
    """Return the impairments that a checked list of entries produces, in order."""
    return _changes(json.dumps(entries)) if entries else ()


@lru_cache(maxsize=16)
def _changes(text: str) -> tuple[Impairment, ...]:
    # A sine of an hour is thousands of impairments, and a cell needs them several times.
    return tuple(change.impairment for change in parse_profile(json.loads(text)).changes)
