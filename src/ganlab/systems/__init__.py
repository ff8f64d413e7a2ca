"""How networks are trained: the adversarial loop, its clock, its update rules and the families built on it."""
