"""What both engines for MusicGen share: what is asked of the model, and in which windows."""
