"""What is predicted: images, videos and cameras, and the boxes of the people in them."""
