"""The data sets: for each its layout, and the function that opens the user's archive."""
