"""Many runs at once: one computation for a whole group of runs."""
