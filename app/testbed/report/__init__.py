"""Results to what people look at. Pure: records in, text out."""
