"""Everything that exists for speed: the loop, plans, batches and faster forms of a chain; only ``modelcollapse.run`` imports it."""
