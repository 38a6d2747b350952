"""The Conversational Speech Model: network, prompt, sampling, text tokenizer. No codec, no files."""
