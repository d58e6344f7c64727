"""A TCP server that accepts, hands on at most so many bytes of what the target answers, and then is silent.

Arguments: target port, bytes (0 = never even connects to the target). Prints its port.
"""
import socket
import sys
import threading

target, limit = int(sys.argv[1]), int(sys.argv[2])
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
kept = []  # closing a connection would end the silence


def upwards(client, server):
    while data := client.recv(65536):
        server.sendall(data)


def serve(client):
    server = socket.create_connection(("127.0.0.1", target))
    kept.append(server)
    threading.Thread(target=upwards, args=(client, server), daemon=True).start()
    left = limit
    while left > 0 and (data := server.recv(min(left, 4096))):
        client.sendall(data)
        left -= len(data)


while True:
    connection, _ = listener.accept()
    kept.append(connection)
    if limit:
        threading.Thread(target=serve, args=(connection,), daemon=True).start()
