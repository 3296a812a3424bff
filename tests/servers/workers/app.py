"""A WSGI application, for gunicorn and uWSGI."""


def application(_, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return [b"hello"]
