"""The Hugging Face Hub and other machines: whether connections are allowed, what the Hub answers, and its errors."""
