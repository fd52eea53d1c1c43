"""What `make` runs beside the pipeline: the demo, the doctor, pictures of the page."""
