"""What the metrics of detectors and localizers take: detections and objects of N images, as arrays.

- `boxes`: (N, D, 4) float32, of at most D detections per image.
- `scores`: (N, D) float32, in any order.
- `classes`: (N, D) int32, indices of the labels; -1 is padding.
- `true_boxes`: (N, G, 4) float32, of at most G objects per image.
- `true_classes`: (N, G) int32; -1 is padding.
- `ignored`: (N, G) bool, objects whose detections count neither as right nor as wrong (VOC's difficult ones, COCO's
  crowds).
- `areas`: (N, G) float32, of the objects in pixels.
- `masks`: (N, D) of bytes, where there are masks, None for padding: see `trainers.metrics.masks`.
- `true_masks`: (N, G) of bytes; None for padding.
- `sizes`: (N, 2) int32, height and width of the images in pixels; only masks need them.

Boxes are [x1, y1, x2, y2] in pixels of the image before any resizing; the width is x2 - x1.
"""

from collections.abc import Mapping

import numpy as np

Predictions = Mapping[str, np.ndarray]
