"""Near duplicates: a semantic hash, groups of equal codes, and packs without them."""
