"""Worlds. Each is a folder; `contract.py` says all that the other rooms may know of one."""
