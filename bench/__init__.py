"""What the project promises about speed and memory, each measured as a ratio in one run."""
