"""Random bundles and random logs for the model and for the real thing, and bundles written as users write them."""
