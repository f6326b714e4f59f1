"""Speed against other programs and against what the machine allows."""
