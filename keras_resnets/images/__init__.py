"""Image files in a graph: decoded as Pillow decodes them, and turned upright as EXIF says."""
