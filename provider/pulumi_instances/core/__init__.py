"""What is true of an instance whatever serves it: properties, settings, dialects, errors. No input and no output."""
