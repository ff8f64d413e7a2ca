"""Pictures drawn by this project, with known ground truth: bedrooms (`scenes`) and faces (`portraits`)."""
