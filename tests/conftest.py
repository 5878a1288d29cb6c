"""For all tests: how long one takes is no matter of right and wrong."""

from hypothesis import settings

settings.register_profile("testbed", deadline=None)
settings.load_profile("testbed")
