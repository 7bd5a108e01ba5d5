"""Results that others wrote: files and folders of trackers to frames, and frames to lrdecay's."""
