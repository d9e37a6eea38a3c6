"""What a prediction writes: result files, drawn pictures and videos, and a page."""
