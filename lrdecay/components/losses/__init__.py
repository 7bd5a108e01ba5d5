"""The loss that training minimises, as a sweep file names it."""
