"""Music without words: composed, played, sent while it is made."""
