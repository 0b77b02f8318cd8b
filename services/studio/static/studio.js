// Mends what Gradio's components lack for screen readers, and starts what pages bring of their own.
