"""Batch prediction: a list of images -> a folder of predictions, ranked by uncertainty."""
