"""The speech container: speech from text, and text from speech."""
