"""What every training needs, whatever it trains: bars, curves, and to be stopped well."""
