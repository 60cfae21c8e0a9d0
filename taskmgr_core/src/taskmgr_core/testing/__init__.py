"""What tests of plugins are made with; pytest is needed here and nowhere else."""
