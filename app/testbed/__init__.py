"""A network testbed for TCP flow control: programs under test, their links, and what can be proven of both."""
