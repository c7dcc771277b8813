"""What `scripts/bench` is made of: it measures (`rounds`, `storm`, `delivery`, `peers`), writes down (`report`, `plot`), and nothing here needs
more than Python itself."""
