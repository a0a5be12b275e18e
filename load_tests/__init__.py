"""Load on the inference API: as many people asking as one likes, with records that its models accept."""
