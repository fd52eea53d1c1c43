"""What `make` runs beside the pipeline: proofs, comparisons, images of the page, dvc.yaml."""
