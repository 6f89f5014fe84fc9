"""Training: one loop for every stage, and one recipe a stage."""
