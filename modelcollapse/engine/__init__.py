"""What exists for speed: plans, batches, faster forms of a chain. Only ``modelcollapse.run`` imports it."""
