"""What `make` runs beside the pipeline: the demo, the doctor, images of the page."""
