"""Small classifiers trained on labelled packs, for metrics, probes and the paper's figures."""
