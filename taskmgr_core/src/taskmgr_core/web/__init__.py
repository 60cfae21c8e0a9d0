"""The web page: what the dashboard shows, in a browser, served beside the REST API."""
