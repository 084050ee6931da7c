"""Effects: one repeatable side effect each, in a file named after what it touches."""
