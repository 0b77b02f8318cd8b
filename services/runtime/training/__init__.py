"""What every training needs, whatever it trains: bars to look at, and to be stopped well."""
