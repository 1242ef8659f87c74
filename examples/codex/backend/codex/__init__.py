"""Codex: a small lab notebook."""
