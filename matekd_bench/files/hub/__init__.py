"""The Hugging Face Hub and other machines: whether they may be asked, what they answer, and what went wrong."""
