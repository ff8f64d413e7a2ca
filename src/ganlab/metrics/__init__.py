"""How good it is: feature networks, distances of real and generated images, the protocol of each number."""
