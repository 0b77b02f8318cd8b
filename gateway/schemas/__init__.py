"""The public JSON, which is OpenAI's; never a type of the contracts behind the gateway."""
