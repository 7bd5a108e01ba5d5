"""What training images go through before a network sees them, on the device, a batch at a time."""
