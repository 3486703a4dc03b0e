"""cam_server's REST interface, for the clients that people have: its paths, bodies and answers, over our objects."""
