"""How good a model is: COCO's metrics, intervals, the gate and the model card. No TensorFlow."""
