"""Picture sources: published data sets, folders, pairs, domains and LMDB files."""
