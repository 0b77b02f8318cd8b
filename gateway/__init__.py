"""The edge: validates, authenticates, assigns priority, meters, routes and translates errors."""
