"""COCO files, label maps, splits, the conversion of an export, and TFRecords."""
