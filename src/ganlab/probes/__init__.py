"""Probes of trained networks: linear classifiers on features, guided backpropagation, filter dropping, 1-NN."""
