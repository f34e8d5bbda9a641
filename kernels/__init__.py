"""The data plane: arrays and scalars in, arrays out. No objects, no branching on what a record means."""
