"""Evaluation beyond the protocol itself (that is tiny_jepa/probing.py): results, scores, looks, submission."""
