"""What is left of a run for people to look at: pictures with marks, drawings and one HTML file."""
