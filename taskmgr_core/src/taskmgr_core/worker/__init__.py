"""The worker: claims steps, runs them in warm runners, records what came of them."""
