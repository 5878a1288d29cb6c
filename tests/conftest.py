"""For all tests: examples of hypothesis have no deadline, because durations depend on the machine."""

from hypothesis import settings

settings.register_profile("testbed", deadline=None)
settings.load_profile("testbed")
