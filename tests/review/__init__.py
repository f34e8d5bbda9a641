"""What a hostile reviewer found, one test for each finding."""
