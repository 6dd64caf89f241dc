"""The page and the service around it: what `footnoted serve` runs.

    serve.py    options -> a running server, drained on SIGTERM
    app.py      puts the pieces together: middleware, routes, the page
    guard.py    who may ask for what: hosts, origins, sizes, rates, sessions   (access.py)
    service.py  the one door to the chatbot: a queue (work.py), conversations, ingest (jobs.py)
    api.py      /api/*          openai_api.py   /v1/*
    page.py     the Gradio page; its HTML comes from render.py and map.py, pure functions

Nothing else imports `ui`.
"""
