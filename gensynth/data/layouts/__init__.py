"""Layouts of folders on disk, a file each: class folders, label tables, COCO, Pascal VOC, YOLO, Arrow."""
