"""MMSB, the Memory-Mapped State Bus: an event-sourced, async stream processor."""

__version__ = "0.1.0"
