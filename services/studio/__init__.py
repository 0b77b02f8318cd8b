"""The web app: for people with a browser and a microphone. A pure client of the gateway."""
