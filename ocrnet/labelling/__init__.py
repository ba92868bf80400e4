"""What to label next: images that models disagree on, unlike those that are labelled; and likely errors in labels."""
