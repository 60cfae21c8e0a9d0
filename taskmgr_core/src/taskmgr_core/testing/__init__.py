"""What the tests of plugins get from the platform; nothing of it is loaded before it is used."""
