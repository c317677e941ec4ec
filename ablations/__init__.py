"""Ablations: plan, queue, collect, compare and report DVC experiments."""
