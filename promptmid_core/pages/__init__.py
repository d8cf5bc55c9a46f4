"""Pages of HTML that carry all that they show, and load nothing: templates, one style, pictures that can be moved and zoomed."""
