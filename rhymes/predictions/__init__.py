"""Many images predicted: which ones, what is written, what an annotator should see first."""
