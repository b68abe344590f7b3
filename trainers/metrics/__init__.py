"""Error rates, average precision as PASCAL VOC and COCO compute it, localization error, recall."""
