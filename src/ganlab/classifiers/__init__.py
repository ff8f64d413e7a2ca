"""Small classifiers trained on labelled packs; metrics, probes and the paper's figures use them."""
