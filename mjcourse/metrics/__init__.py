"""Measures: prompt accuracy judged by a probe, distances between sets of pictures, memorisation."""
