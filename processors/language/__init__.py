"""The language of intents: user source → small typed IR → what runs it (docs/language.md)."""
