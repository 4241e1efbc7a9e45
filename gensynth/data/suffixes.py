"""Endings of the files that are read, apart from what reads them, so that asking for one imports nothing."""

IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
SOUNDS = (".wav", ".flac")
