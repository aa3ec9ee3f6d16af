"""Data sets: cards, fetching with verification, readers, samples and splits. Nothing here needs TensorFlow."""
