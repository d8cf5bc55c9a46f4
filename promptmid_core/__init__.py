"""Localization of optical camera frames on a SAR reference map. Nothing in this package imports ROS."""

__version__ = "0.1.0"
