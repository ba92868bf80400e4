"""Prediction: one model or an ensemble, whole images or windows, at one scale or several."""
