"""Checkpoints: all of a partition's state at one accepted boundary, in a folder that says what it holds.

`creating.py` makes one, `verifying.py` says whether it is sound, `listing.py` which there are, `keeping.py` which must
stay and what of the logs need not; `archive.py` carries one to another machine, `installing.py` begins there with it.
"""
