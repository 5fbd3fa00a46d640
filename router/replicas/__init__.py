"""Several replicas are one to people: one of them, the collector, makes incidents of what all have decided.

Every replica judges, stores and delivers for itself. What people ask about all of them (incidents, silences) is kept
by the collector alone: the others hand over every event that they have stored (`handing_over`), and what was scanned
there is handed in (`handing_in`); it takes each once (`collecting`). They know each other by what they share, the
webhook's certificate (`identity`).
"""
