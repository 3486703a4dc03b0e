"""Positions of the screens [mm]."""

SCREENS = {"GUN": 310.5, "VCC": 120.0}
