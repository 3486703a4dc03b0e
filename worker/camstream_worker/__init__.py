"""The worker: one process for one Camera or Pipeline.

Its rooms, from the top: app, service, runtime, sources | outputs | pipeline, image.
"""
