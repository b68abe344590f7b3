"""How good detections are: average precision as PASCAL VOC and as COCO compute it.

What is evaluated is called `predictions` everywhere: a dict of NumPy arrays over N images, of at most D detections and
G objects each. Boxes are [x1, y1, x2, y2] in pixels of the image before any resizing, where the width is x2 - x1.

- `boxes`: (N, D, 4) float32.
- `scores`: (N, D) float32, in any order.
- `classes`: (N, D) int32, indices of the labels; -1 is padding.
- `true_boxes`: (N, G, 4) float32.
- `true_classes`: (N, G) int32; -1 is padding.
- `ignored`: (N, G) bool, objects that are neither right nor wrong to find (VOC's difficult ones, COCO's crowds).
- `areas`: (N, G) float32, of the objects in pixels.
"""
