"""Which learning-rate scheduler, at which dropout, and is the difference real?"""
