"""Songs: everything joined into one piece of music, as jobs that survive."""
