"""Findings: explained facts about a transfer, a module each, in one registry. docs/findings.md shows how to add one."""
