"""The console: pages for those who upload lists, run campaigns and ask what came of them."""
