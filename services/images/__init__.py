"""The images container: pictures from words and from pictures."""
