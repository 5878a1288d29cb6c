"""Findings: explained facts about a transfer, a module each, in one registry. docs/findings.md says how to add one."""
