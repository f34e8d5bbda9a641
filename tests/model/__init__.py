"""An independent model of MMSB, written from the documents alone: it imports nothing from mmsb."""
