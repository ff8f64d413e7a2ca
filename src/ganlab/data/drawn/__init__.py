"""Pictures drawn by this project, of which everything is known: bedrooms (`scenes`) and faces (`portraits`)."""
