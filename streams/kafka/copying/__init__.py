"""`mmsb log copy`: logs from a folder into topics, or the other way."""
