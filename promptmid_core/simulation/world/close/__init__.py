"""Land as it looks from near, with pixels of a metre or so: single houses, trees and cars."""
