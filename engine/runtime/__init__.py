"""Where and in which number format the networks run."""
