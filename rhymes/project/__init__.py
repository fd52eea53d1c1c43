"""Commands for a checkout of the project: the demo, the doctor, why a stage runs."""
