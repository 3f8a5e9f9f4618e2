"""What a model must beat: nothing here knows who is asking, or it knows neighbours alone."""

import numpy as np


def films_mean_label(films, labels, n_films=1683):
    """The mean label of each film's rows, with one row of the mean of all labels added."""
    total = np.bincount(films, labels, n_films) + labels.mean()
    return total / (np.bincount(films, minlength=n_films) + 1)
