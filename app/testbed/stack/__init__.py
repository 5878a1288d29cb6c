"""The only place that knows Docker: images, networks, volumes, containers, and their removal."""
