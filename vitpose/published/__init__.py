"""List and download checkpoints that others have published."""
