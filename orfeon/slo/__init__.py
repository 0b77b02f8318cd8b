"""What is promised of Orfeón's speed and health, and all that follows from it.

`objectives` holds the promises. Histogram buckets, rules, alerts, dashboards, runbooks and the page
of the promises are made of them: `python -m orfeon.slo --write`.
"""
