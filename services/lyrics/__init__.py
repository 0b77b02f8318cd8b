"""The lyrics container: songs, written line by line."""
