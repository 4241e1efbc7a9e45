"""Endings of the files that are read, apart from what reads them, so that asking for one imports nothing."""

IMAGES = (".png", ".jpg", ".jpeg", ".jfif", ".jpe", ".bmp", ".tif", ".tiff", ".webp", ".gif")
SOUNDS = (".wav", ".flac")
