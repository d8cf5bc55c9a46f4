"""What a descriptor's scores say of places, fitted before flight on ground whose images are known."""
