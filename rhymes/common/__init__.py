"""What all packages share: errors, strict parameters, files written aside, CSV."""
