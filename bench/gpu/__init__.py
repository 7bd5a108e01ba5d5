"""What `make gpu` measures on a GPU, in at most eight minutes and without a network."""
