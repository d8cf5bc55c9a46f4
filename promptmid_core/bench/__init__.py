"""Methods run on the same trials over pairs of images, and what each found."""
