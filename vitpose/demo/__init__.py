"""The demo: render people, train on them, test and draw the results."""
