"""A network testbed for TCP flow control: programs under test, their links, and the evidence about both."""
