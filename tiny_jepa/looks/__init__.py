"""Looks at where a model errs: numbers, tables and pictures."""
