"""Time series: streams found by tags, downsampled by themselves, that survive crashes."""
