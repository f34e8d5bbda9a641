"""The bottom layer: what users may declare, and every byte format on disk or on the wire."""
