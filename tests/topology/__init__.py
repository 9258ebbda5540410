"""How a queue is reached: sockets, TLS, users, and servers that are more than one."""
