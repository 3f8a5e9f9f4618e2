"""Bundles: a trained model as a folder, with everything that raw rows and raw ids need."""
