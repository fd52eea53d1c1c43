"""What flows between the stages: parameters, annotations, images, COCO, TFRecords, detections."""
