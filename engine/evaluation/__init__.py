"""Judging models: what they get right, in figures that anybody can reproduce with one command."""
